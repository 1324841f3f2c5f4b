-- What an owner may keep, if not what all may, and what he keeps beside live records:
-- counted from here on by what is written. Fences are kept for a time only: since when.
-- Those from before count from this migration on, so that none is forgotten early.

-- +goose Up
ALTER TABLE syncline_accounts ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncline_accounts ADD COLUMN tombstones INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncline_accounts ADD COLUMN mutation_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncline_accounts ADD COLUMN fences INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncline_accounts ADD COLUMN quota_records INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncline_accounts ADD COLUMN quota_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncline_locks ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
UPDATE syncline_locks SET used_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000000;
UPDATE syncline_accounts AS a SET
    tombstones = (SELECT count(*) FROM syncline_records WHERE owner = a.owner AND deleted),
    mutation_bytes = (SELECT coalesce(sum(81 + length(CAST(id AS BLOB)) + length(revisions)), 0)
        FROM syncline_mutations WHERE owner = a.owner),
    fences = (SELECT count(*) FROM syncline_locks WHERE owner = a.owner);
