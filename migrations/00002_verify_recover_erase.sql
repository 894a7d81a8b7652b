-- +goose Up

-- What a right PIN was used for, where it verified a caller: by which
-- credential, when, and the reason that the agent gave. Sent again, the attempt
-- is answered from here.
ALTER TABLE tries ADD COLUMN verified TEXT NOT NULL DEFAULT '';
ALTER TABLE tries ADD COLUMN verified_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tries ADD COLUMN reason TEXT NOT NULL DEFAULT '';

-- 1 from the beginning of a recovery to its end. Nothing is served meanwhile.
ALTER TABLE installation ADD COLUMN recovering BIGINT NOT NULL DEFAULT 0;

-- What lives in an account, in the order in which it is shown.
CREATE INDEX credentials_by_state ON credentials (account, state, made_at, id);
DROP INDEX sessions_live_by_account;
CREATE INDEX sessions_live_by_account ON sessions (account, ended_at, opened_at, sid);

-- What nothing asks for any more is found by its age.
CREATE INDEX grants_by_time ON grants (at);
CREATE INDEX refresh_tokens_by_time ON refresh_tokens (made_at);
