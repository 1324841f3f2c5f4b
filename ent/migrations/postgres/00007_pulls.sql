-- How often an owner's clients that do not page were to pull again: instances without a
-- broker tell one another by it. The default is kept apart from the rows, so the table is
-- not rewritten. Writes queue behind this migration while it waits for a backup to end:
-- better it fails, and the next start tries again.

-- +goose Up
SET LOCAL lock_timeout = '5s';
ALTER TABLE syncline_accounts ADD COLUMN pulls bigint NOT NULL DEFAULT 0;
