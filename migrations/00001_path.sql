-- +goose Up

-- The installation: one row. It is the first lock of every transaction that needs it.
CREATE TABLE installation (
    one         BIGINT PRIMARY KEY,
    id          TEXT NOT NULL,
    check_value BYTEA NOT NULL,
    made_at     BIGINT NOT NULL,
    clock_mark  BIGINT NOT NULL
);

-- Endings are numbered by this one row, so that the order of numbers is the
-- order of commits. It is the last lock of a transaction.
CREATE TABLE endings_counter (
    one   BIGINT PRIMARY KEY,
    epoch TEXT NOT NULL,
    n     BIGINT NOT NULL
);

CREATE TABLE endings (
    epoch      TEXT NOT NULL,
    n          BIGINT NOT NULL,
    sid        TEXT NOT NULL,
    credential TEXT NOT NULL,
    cause      TEXT NOT NULL,
    ended_at   BIGINT NOT NULL,
    PRIMARY KEY (epoch, n)
);

-- Accounts, each the head of its record. The row with the empty id stands for
-- the installation: its record, and unknown accounts.
CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,
    connector  TEXT NOT NULL,
    name       TEXT NOT NULL,
    handle     TEXT NOT NULL,
    handle_key TEXT NOT NULL UNIQUE,
    salt       BYTEA NOT NULL,
    seq        BIGINT NOT NULL,
    hash       BYTEA NOT NULL,
    at         BIGINT NOT NULL,
    touched    BIGINT NOT NULL
);

CREATE TABLE agents (
    id           TEXT PRIMARY KEY,
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    name         TEXT NOT NULL,
    email        TEXT NOT NULL,
    seen_at      BIGINT NOT NULL,
    suspended_at BIGINT NOT NULL
);

CREATE TABLE credentials (
    id             TEXT PRIMARY KEY,
    account        TEXT NOT NULL,
    policy         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    digits         BIGINT NOT NULL,
    holder         BIGINT NOT NULL,
    state          TEXT NOT NULL,
    scopes         TEXT NOT NULL,
    ticket         TEXT NOT NULL,
    contact        TEXT NOT NULL,
    contact_key    TEXT NOT NULL,
    minter_issuer  TEXT NOT NULL,
    minter_subject TEXT NOT NULL,
    minter_name    TEXT NOT NULL,
    minter_email   TEXT NOT NULL,
    email          TEXT UNIQUE,
    made_at        BIGINT NOT NULL,
    redeem_by      BIGINT NOT NULL,
    session        BIGINT NOT NULL,
    idle           BIGINT NOT NULL,
    uses           BIGINT NOT NULL,
    uses_left      BIGINT NOT NULL,
    tries          BIGINT NOT NULL,
    reserved       BIGINT NOT NULL,
    wrong          BIGINT NOT NULL,
    ticket_misses  BIGINT NOT NULL,
    verifier       BYTEA
);
CREATE INDEX credentials_by_digits ON credentials (account, state, digits);
CREATE INDEX credentials_by_time ON credentials (account, made_at, id);
CREATE INDEX credentials_due ON credentials (state, redeem_by);

CREATE TABLE sessions (
    sid          TEXT PRIMARY KEY,
    attempt      TEXT NOT NULL UNIQUE,
    account      TEXT NOT NULL,
    account_name TEXT NOT NULL,
    handle       TEXT NOT NULL,
    credential   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    policy       TEXT NOT NULL,
    agent        TEXT NOT NULL,
    agent_issuer TEXT NOT NULL,
    agent_sub    TEXT NOT NULL,
    agent_name   TEXT NOT NULL,
    agent_email  TEXT NOT NULL,
    connector    TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    ticket       TEXT NOT NULL,
    reason       TEXT NOT NULL,
    contact      TEXT NOT NULL,
    email        TEXT NOT NULL,
    owner_sub    TEXT NOT NULL,
    opened_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,
    idle         BIGINT NOT NULL,
    active_at    BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    auth_time    BIGINT NOT NULL,
    amr          TEXT NOT NULL,
    ended_at     BIGINT NOT NULL,
    cause        TEXT NOT NULL
);
CREATE INDEX sessions_by_credential ON sessions (credential, ended_at);
CREATE INDEX sessions_by_agent ON sessions (agent, ended_at);
CREATE INDEX sessions_by_account ON sessions (account, opened_at, sid);
CREATE INDEX sessions_live_by_account ON sessions (account, ended_at);
CREATE INDEX sessions_due ON sessions (ended_at, due_at);

-- One row per reserved try. pins lists the PINs that it may be compared with.
CREATE TABLE tries (
    id       TEXT PRIMARY KEY,
    agent    TEXT NOT NULL,
    account  TEXT NOT NULL,
    weak     BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    state    TEXT NOT NULL,
    compared BIGINT NOT NULL,
    forgiven BIGINT NOT NULL,
    pins     TEXT NOT NULL,
    sid      TEXT NOT NULL
);
CREATE INDEX tries_by_agent ON tries (agent, at);
CREATE INDEX tries_by_account ON tries (account, at);
CREATE INDEX tries_unsettled ON tries (state, at);

-- Wrong tries over the whole installation, by the hour.
CREATE TABLE wrong_hours (
    hour BIGINT PRIMARY KEY,
    n    BIGINT NOT NULL,
    weak BIGINT NOT NULL
);

-- Codes that became tokens. A second use finds its row here.
CREATE TABLE grants (
    id       TEXT PRIMARY KEY,
    sid      TEXT NOT NULL,
    client   TEXT NOT NULL,
    audience TEXT NOT NULL,
    scope    TEXT NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX grants_by_session ON grants (sid, audience);

CREATE TABLE refresh_tokens (
    hash        BYTEA PRIMARY KEY,
    parent      BYTEA,
    sid         TEXT NOT NULL,
    account     TEXT NOT NULL,
    client      TEXT NOT NULL,
    audience    TEXT NOT NULL,
    scope       TEXT NOT NULL,
    made_at     BIGINT NOT NULL,
    replaced_at BIGINT NOT NULL,
    spent       BIGINT NOT NULL
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (sid);

CREATE TABLE actions (
    audience TEXT NOT NULL,
    id       TEXT NOT NULL,
    chain    TEXT NOT NULL,
    digest   BYTEA NOT NULL,
    seq      BIGINT NOT NULL,
    refused  TEXT NOT NULL,
    PRIMARY KEY (audience, id)
);

CREATE TABLE idempotency (
    client      TEXT NOT NULL,
    request_key TEXT NOT NULL,
    digest      BYTEA NOT NULL,
    credential  TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (client, request_key)
);
CREATE INDEX idempotency_by_time ON idempotency (at);

-- The record, and beside it the fields that can be erased.
CREATE TABLE record (
    chain   TEXT NOT NULL,
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    kind    TEXT NOT NULL,
    facts   TEXT NOT NULL,
    digests TEXT NOT NULL,
    prev    BYTEA,
    hash    BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);

CREATE TABLE record_people (
    chain  TEXT NOT NULL,
    seq    BIGINT NOT NULL,
    person TEXT NOT NULL,
    salt   BYTEA NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (chain, seq, person)
);
CREATE INDEX record_people_by_person ON record_people (person);

CREATE TABLE signing_keys (
    id         TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL,
    alg        TEXT NOT NULL,
    generation BIGINT NOT NULL,
    sealed     BYTEA NOT NULL,
    made_at    BIGINT NOT NULL,
    UNIQUE (purpose, alg, generation)
);

-- Time steps of one-time codes that local people have used.
CREATE TABLE otp_used (
    person TEXT NOT NULL,
    step   BIGINT NOT NULL,
    PRIMARY KEY (person, step)
);
