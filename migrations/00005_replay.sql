-- +goose Up

-- What may be used one time: client assertions, DPoP proofs, pushed requests.
-- A row is kept until the thing would be refused for its age. The digest is of
-- its kind, whose it is, and its name, so a row has the same size for all.
CREATE TABLE used_once (
    digest BYTEA PRIMARY KEY,
    until  BIGINT NOT NULL
);
CREATE INDEX used_once_by_time ON used_once (until);

-- The thumbprint of the key that a refresh token's access tokens are bound to
-- (RFC 9449); empty: to none.
ALTER TABLE refresh_tokens ADD COLUMN jkt TEXT NOT NULL DEFAULT '';
