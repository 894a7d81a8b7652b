-- +goose Up

-- Relying apps are told of an ending for as long as a token could need it. The
-- longest life that access tokens have ever had here stands beside the counter,
-- because whoever numbers an ending reads that row: of several nodes with
-- different settings, none may announce an ending for too short a time.
ALTER TABLE endings_counter ADD COLUMN access BIGINT NOT NULL DEFAULT 0;

ALTER TABLE endings ADD COLUMN account TEXT NOT NULL DEFAULT '';
-- The audiences that held a token of the session, space-separated.
ALTER TABLE endings ADD COLUMN audiences TEXT NOT NULL DEFAULT '';
-- A node that does not know this column yet writes endings that are kept.
ALTER TABLE endings ADD COLUMN needed_until BIGINT NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE endings ADD COLUMN status_index BIGINT NOT NULL DEFAULT 0;
UPDATE endings SET
    needed_until = coalesce((SELECT ends_at + 120000000 FROM sessions WHERE sessions.sid = endings.sid), ended_at),
    account = coalesce((SELECT account FROM sessions WHERE sessions.sid = endings.sid), ''),
    audiences = coalesce((SELECT string_agg(audience, ' ') FROM
        (SELECT DISTINCT sid, audience FROM grants) AS held WHERE held.sid = endings.sid), '');
-- They were kept for ever; what was over before the last of them is not needed.
DELETE FROM endings WHERE needed_until < (SELECT max(ended_at) FROM endings);
CREATE INDEX endings_by_need ON endings (needed_until);

-- The session's place in the status list. NULL once no token of it can live:
-- the place is free for another then.
ALTER TABLE sessions ADD COLUMN status_index BIGINT;
CREATE UNIQUE INDEX sessions_by_status ON sessions (status_index);

-- One row per ended session and client that held a token of it, written with
-- the ending: how that app learns of it, and whether it has said so.
CREATE TABLE receipts (
    sid          TEXT NOT NULL,
    client       TEXT NOT NULL,
    audience     TEXT NOT NULL,
    account      TEXT NOT NULL,
    epoch        TEXT NOT NULL,
    n            BIGINT NOT NULL,
    enforces     TEXT NOT NULL,
    state        TEXT NOT NULL,
    ended_at     BIGINT NOT NULL,
    tokens_until BIGINT NOT NULL,
    session_ends BIGINT NOT NULL,
    applied_at   BIGINT NOT NULL,
    instances    BIGINT NOT NULL,
    logout_next  BIGINT NOT NULL,
    logout_tries BIGINT NOT NULL,
    PRIMARY KEY (sid, client)
);
CREATE INDEX receipts_waiting ON receipts (audience, enforces, state, n);
CREATE INDEX receipts_open ON receipts (state, tokens_until);
CREATE INDEX receipts_logout ON receipts (logout_next);

-- The running copies of relying apps that follow the endings, and how far each
-- has come. Nothing that changes often is in an index but the primary key's.
CREATE TABLE instances (
    client    TEXT NOT NULL,
    instance  TEXT NOT NULL,
    audience  TEXT NOT NULL,
    node      TEXT NOT NULL,
    connected BIGINT NOT NULL,
    staleness BIGINT NOT NULL,
    seen_at   BIGINT NOT NULL,
    epoch     TEXT NOT NULL,
    n         BIGINT NOT NULL,
    acked_at  BIGINT NOT NULL,
    PRIMARY KEY (client, instance)
);
CREATE INDEX instances_by_audience ON instances (audience, staleness);
CREATE INDEX instances_by_node ON instances (node, connected);

-- The nodes that instances are connected to, and when each last said that they
-- still are.
CREATE TABLE nodes (
    node    TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
