-- An owner may erase all of its data. Up to which revision nothing is seen any
-- more, and whose rows are still to be removed. The default is kept apart from the
-- rows, so no table is rewritten. Writes queue behind this migration while it waits
-- for a backup to end: better it fails, and the next start tries again.

-- +goose Up
SET LOCAL lock_timeout = '5s';
ALTER TABLE syncline_accounts ADD COLUMN erased bigint NOT NULL DEFAULT 0;
CREATE TABLE syncline_erasures (
    owner  bytea  NOT NULL CHECK (octet_length(owner) = 33),
    erased bigint NOT NULL,
    PRIMARY KEY (owner)
);
