-- +goose Up

-- What the jobs look for, they find by these, and nothing else can use them. An
-- index that begins with what says that something lives would be taken for other
-- statements too: PostgreSQL, which has counted when little lived, then thinks it
-- as good as the primary key, and reads all that lives for each row.
DROP INDEX sessions_due;
CREATE INDEX sessions_due ON sessions ((CASE WHEN ended_at = 0 THEN due_at END));
DROP INDEX credentials_due;
CREATE INDEX credentials_due ON credentials ((CASE WHEN state = 'live' THEN redeem_by END));
DROP INDEX receipts_open;
CREATE INDEX receipts_open ON receipts ((CASE WHEN state = 'waiting' THEN tokens_until END));
CREATE INDEX receipts_done ON receipts ((CASE WHEN state <> 'waiting' AND logout_next = 0 THEN tokens_until END));

-- No statement reads a table whole that grows with what has happened.
CREATE INDEX otp_used_by_step ON otp_used (step);
