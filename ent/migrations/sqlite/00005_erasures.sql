-- An owner may erase all of its data. Up to which revision nothing is seen any
-- more, and whose rows are still to be removed.

-- +goose Up
ALTER TABLE syncline_accounts ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;
CREATE TABLE syncline_erasures (
    owner  BLOB    NOT NULL PRIMARY KEY CHECK (length(owner) = 33),
    erased INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
