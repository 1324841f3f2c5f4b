-- What is kept for a time only: since when, and where to look for it. Mutation ids
-- from before count from this migration on, so that none is forgotten early: a
-- default that is computed once needs no table rewritten. The later default is for
-- instances of the version before, while they are replaced.

-- +goose Up
-- +goose StatementBegin
DO $$ BEGIN
    EXECUTE format('ALTER TABLE syncline_mutations ADD COLUMN applied_at bigint NOT NULL DEFAULT %s',
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
END $$;
-- +goose StatementEnd
ALTER TABLE syncline_mutations ALTER COLUMN applied_at SET DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
CREATE INDEX record_tombstones ON syncline_records (owner, revision) WHERE deleted;
