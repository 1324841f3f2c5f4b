-- +goose NO TRANSACTION
-- Holds of locks are counted, for they have a bound, and fences may be forgotten: up
-- to which token. Those of erased owners were already. Instances of the version before
-- go on writing meanwhile; what they write until they are replaced is not counted.

-- +goose Up
-- +goose StatementBegin
DO $$ BEGIN
    SET LOCAL lock_timeout = '5s';
    ALTER TABLE syncline_accounts
        ADD COLUMN IF NOT EXISTS holders bigint NOT NULL DEFAULT 0,
        ADD COLUMN IF NOT EXISTS forgotten_token bigint NOT NULL DEFAULT 0;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$ BEGIN
    PERFORM FROM syncline_accounts WHERE erased > 0 OR fence_token > 0 ORDER BY owner FOR UPDATE;
    UPDATE syncline_accounts SET forgotten_token = fence_token WHERE erased > 0;
    UPDATE syncline_accounts AS a SET holders = c.holders
    FROM (SELECT owner, count(*) AS holders FROM syncline_lock_holders GROUP BY owner) AS c WHERE a.owner = c.owner;
END $$;
-- +goose StatementEnd
