-- Holds of locks are counted, for they have a bound, and fences may be forgotten: up
-- to which token. Those of erased owners were already.

-- +goose Up
ALTER TABLE syncline_accounts ADD COLUMN holders INTEGER NOT NULL DEFAULT 0;
ALTER TABLE syncline_accounts ADD COLUMN forgotten_token INTEGER NOT NULL DEFAULT 0;
UPDATE syncline_accounts AS a SET
    holders = (SELECT count(*) FROM syncline_lock_holders WHERE owner = a.owner),
    forgotten_token = CASE WHEN erased > 0 THEN fence_token ELSE 0 END;
