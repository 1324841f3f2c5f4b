-- The tables of ent/schema. Every table is keyed by owner first, and the id of
-- Ent's schema is the second part of the key. STRICT keeps text and bytes apart.

-- +goose Up
CREATE TABLE syncline_epochs (
    number   INTEGER NOT NULL PRIMARY KEY,
    epoch    BLOB    NOT NULL CHECK (length(epoch) = 8),
    base     INTEGER NOT NULL,
    began_at INTEGER NOT NULL
) STRICT;

CREATE TABLE syncline_accounts (
    owner        BLOB    NOT NULL CHECK (length(owner) = 33),
    head         INTEGER NOT NULL DEFAULT 0,
    floor        INTEGER NOT NULL DEFAULT 0,
    record_count INTEGER NOT NULL DEFAULT 0,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    fence_token  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (owner)
) STRICT, WITHOUT ROWID;

-- With a rowid: data of up to 64 KiB would make the tree of a table without
-- one needlessly deep.
CREATE TABLE syncline_records (
    owner          BLOB    NOT NULL CHECK (length(owner) = 33),
    id             TEXT    NOT NULL,
    revision       INTEGER NOT NULL CHECK (revision > 0),
    deleted        INTEGER NOT NULL DEFAULT 0,
    schema_version TEXT    NOT NULL DEFAULT '',
    client_id      TEXT    NOT NULL DEFAULT '',
    updated_at     INTEGER NOT NULL,
    data           BLOB,
    PRIMARY KEY (owner, id),
    CHECK (deleted = (data IS NULL))
) STRICT;
CREATE UNIQUE INDEX record_owner_revision ON syncline_records (owner, revision);

CREATE TABLE syncline_mutations (
    owner     BLOB    NOT NULL CHECK (length(owner) = 33),
    id        TEXT    NOT NULL,
    digest    BLOB    NOT NULL CHECK (length(digest) = 32),
    revisions BLOB    NOT NULL,
    head      INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE syncline_restored_heads (
    owner        BLOB    NOT NULL CHECK (length(owner) = 33),
    epoch_number INTEGER NOT NULL,
    head         INTEGER NOT NULL,
    PRIMARY KEY (owner, epoch_number)
) STRICT, WITHOUT ROWID;

CREATE TABLE syncline_locks (
    owner BLOB    NOT NULL CHECK (length(owner) = 33),
    name  TEXT    NOT NULL,
    fence INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE syncline_lock_holders (
    owner       BLOB    NOT NULL CHECK (length(owner) = 33),
    lock        TEXT    NOT NULL,
    instance_id TEXT    NOT NULL,
    exclusive   INTEGER NOT NULL,
    token       INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (owner, lock, instance_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE syncline_nonces (
    owner      BLOB    NOT NULL CHECK (length(owner) = 33),
    nonce      BLOB    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (owner, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX nonce_expires_at ON syncline_nonces (expires_at);
