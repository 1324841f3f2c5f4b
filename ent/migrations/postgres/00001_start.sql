-- The tables of ent/schema. Every table is keyed by owner first, and the id of
-- Ent's schema is the second part of the key. Collation "C" compares bytes.

-- +goose Up
CREATE TABLE syncline_epochs (
    number   bigint NOT NULL PRIMARY KEY,
    epoch    bytea  NOT NULL CHECK (octet_length(epoch) = 8),
    base     bigint NOT NULL,
    began_at bigint NOT NULL
);

CREATE TABLE syncline_accounts (
    owner        bytea  NOT NULL CHECK (octet_length(owner) = 33),
    head         bigint NOT NULL DEFAULT 0,
    floor        bigint NOT NULL DEFAULT 0,
    record_count bigint NOT NULL DEFAULT 0,
    stored_bytes bigint NOT NULL DEFAULT 0,
    fence_token  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (owner)
);

CREATE TABLE syncline_records (
    owner          bytea   NOT NULL CHECK (octet_length(owner) = 33),
    id             text    COLLATE "C" NOT NULL,
    revision       bigint  NOT NULL CHECK (revision > 0),
    deleted        boolean NOT NULL DEFAULT false,
    schema_version text    NOT NULL DEFAULT '',
    client_id      text    NOT NULL DEFAULT '',
    updated_at     bigint  NOT NULL,
    data           bytea,
    PRIMARY KEY (owner, id),
    CHECK (deleted = (data IS NULL))
);
CREATE UNIQUE INDEX record_owner_revision ON syncline_records (owner, revision);

CREATE TABLE syncline_mutations (
    owner     bytea  NOT NULL CHECK (octet_length(owner) = 33),
    id        text   COLLATE "C" NOT NULL,
    digest    bytea  NOT NULL CHECK (octet_length(digest) = 32),
    revisions bytea  NOT NULL,
    head      bigint NOT NULL,
    PRIMARY KEY (owner, id)
);

CREATE TABLE syncline_restored_heads (
    owner        bytea  NOT NULL CHECK (octet_length(owner) = 33),
    epoch_number bigint NOT NULL,
    head         bigint NOT NULL,
    PRIMARY KEY (owner, epoch_number)
);

CREATE TABLE syncline_locks (
    owner bytea  NOT NULL CHECK (octet_length(owner) = 33),
    name  text   COLLATE "C" NOT NULL,
    fence bigint NOT NULL,
    PRIMARY KEY (owner, name)
);

CREATE TABLE syncline_lock_holders (
    owner       bytea   NOT NULL CHECK (octet_length(owner) = 33),
    lock        text    COLLATE "C" NOT NULL,
    instance_id text    COLLATE "C" NOT NULL,
    exclusive   boolean NOT NULL,
    token       bigint  NOT NULL,
    expires_at  bigint  NOT NULL,
    PRIMARY KEY (owner, lock, instance_id)
);

CREATE TABLE syncline_nonces (
    owner      bytea  NOT NULL CHECK (octet_length(owner) = 33),
    nonce      bytea  NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (owner, nonce)
);
CREATE INDEX nonce_expires_at ON syncline_nonces (expires_at);
