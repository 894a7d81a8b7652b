-- +goose Up

-- A signing key is next (published, will sign), active or retiring (has signed,
-- still published), since when, and until when: an active one goes on with the
-- next one's. Keys from before sign.
ALTER TABLE signing_keys ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE signing_keys ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE signing_keys ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
UPDATE signing_keys SET since = made_at;

-- Grows with each change of the keys, so that each node finds out by a look at
-- one row. Whoever changes them holds that row.
ALTER TABLE installation ADD COLUMN keys_version BIGINT NOT NULL DEFAULT 0;
