-- What is kept for a time only: since when, and where to look for it. Mutation ids
-- from before count from this migration on, so that none is forgotten early.

-- +goose Up
ALTER TABLE syncline_mutations ADD COLUMN applied_at INTEGER NOT NULL DEFAULT 0;
UPDATE syncline_mutations SET applied_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000000;
CREATE INDEX record_tombstones ON syncline_records (owner, revision) WHERE deleted;
