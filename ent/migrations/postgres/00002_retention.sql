-- Mutation ids are kept for a time only: since when. Those from before count from
-- this migration on, so that none is forgotten early: a default that is computed
-- once needs no table rewritten. The later default is for instances of the version
-- before, while they are replaced. Their writes queue behind this migration while
-- it waits for a backup to end: better it fails, and the next start tries again.

-- +goose Up
SET LOCAL lock_timeout = '5s';
-- +goose StatementBegin
DO $$ BEGIN
    EXECUTE format('ALTER TABLE syncline_mutations ADD COLUMN applied_at bigint NOT NULL DEFAULT %s',
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
END $$;
-- +goose StatementEnd
ALTER TABLE syncline_mutations ALTER COLUMN applied_at SET DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
