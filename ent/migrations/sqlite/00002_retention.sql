-- Mutation ids are kept for a time only: since when. Those from before count from
-- this migration on, so that none is forgotten early.

-- +goose Up
ALTER TABLE syncline_mutations ADD COLUMN applied_at INTEGER NOT NULL DEFAULT 0;
UPDATE syncline_mutations SET applied_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000000;
