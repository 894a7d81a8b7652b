-- +goose Up

-- No statement reads a table whole that grows with what has happened.
CREATE INDEX otp_used_by_step ON otp_used (step);
