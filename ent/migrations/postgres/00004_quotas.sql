-- +goose NO TRANSACTION
-- What an owner may keep, if not what all may, and what he keeps beside live records:
-- counted from here on by what is written. Fences are kept for a time only: since when.
-- Those from before count from this migration on, so that none is forgotten early.
-- Instances of the version before go on writing: they wait for the counting, which
-- therefore is apart from the change of the tables, which readers wait for. What
-- they write until they are replaced is not counted.

-- +goose Up
-- +goose StatementBegin
DO $$ BEGIN
    SET LOCAL lock_timeout = '5s';
    ALTER TABLE syncline_accounts
        ADD COLUMN IF NOT EXISTS created_at bigint NOT NULL DEFAULT 0,
        ADD COLUMN IF NOT EXISTS tombstones bigint NOT NULL DEFAULT 0,
        ADD COLUMN IF NOT EXISTS mutation_bytes bigint NOT NULL DEFAULT 0,
        ADD COLUMN IF NOT EXISTS fences bigint NOT NULL DEFAULT 0,
        ADD COLUMN IF NOT EXISTS quota_records bigint NOT NULL DEFAULT 0,
        ADD COLUMN IF NOT EXISTS quota_bytes bigint NOT NULL DEFAULT 0;
    EXECUTE format('ALTER TABLE syncline_locks ADD COLUMN IF NOT EXISTS used_at bigint NOT NULL DEFAULT %s',
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    ALTER TABLE syncline_locks ALTER COLUMN used_at SET DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$ BEGIN
    PERFORM FROM syncline_accounts ORDER BY owner FOR UPDATE;
    UPDATE syncline_accounts AS a SET tombstones = c.tombstones, mutation_bytes = c.mutation_bytes, fences = c.fences
    FROM (
        SELECT owner, sum(tombstones) AS tombstones, sum(mutation_bytes) AS mutation_bytes, sum(fences) AS fences FROM (
            SELECT owner, count(*) AS tombstones, 0 AS mutation_bytes, 0 AS fences FROM syncline_records WHERE deleted GROUP BY owner
            UNION ALL
            SELECT owner, 0, sum(81 + octet_length(id) + octet_length(revisions)), 0 FROM syncline_mutations GROUP BY owner
            UNION ALL
            SELECT owner, 0, 0, count(*) FROM syncline_locks GROUP BY owner
        ) AS parts GROUP BY owner
    ) AS c WHERE a.owner = c.owner;
END $$;
-- +goose StatementEnd
