-- +goose Up

-- Streams of security events (OpenID Shared Signals Framework), each one a
-- client's. epoch and n are how far the endings have been gathered for it:
-- until then none of them is forgotten.
CREATE TABLE ssf_streams (
    id          TEXT PRIMARY KEY,
    client      TEXT NOT NULL,
    method      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    header      BYTEA NOT NULL,
    requested   TEXT NOT NULL,
    description TEXT NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    epoch       TEXT NOT NULL,
    n           BIGINT NOT NULL,
    made_at     BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    tries       BIGINT NOT NULL,
    next_at     BIGINT NOT NULL,
    held_until  BIGINT NOT NULL
);
CREATE INDEX ssf_streams_by_client ON ssf_streams (client);

-- What a stream's receiver has not taken yet.
CREATE TABLE ssf_events (
    stream   TEXT NOT NULL,
    jti      TEXT NOT NULL,
    kind     TEXT NOT NULL,
    txn      TEXT NOT NULL,
    sid      TEXT NOT NULL,
    what     TEXT NOT NULL,
    text     TEXT NOT NULL,
    ended_at BIGINT NOT NULL,
    made_at  BIGINT NOT NULL,
    n        BIGINT NOT NULL,
    PRIMARY KEY (stream, jti)
);
CREATE INDEX ssf_events_in_order ON ssf_events (stream, made_at, n);
CREATE INDEX ssf_events_by_time ON ssf_events (made_at);
