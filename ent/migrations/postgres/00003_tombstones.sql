-- +goose NO TRANSACTION
-- Where to look for old tombstones. Instances of the version before go on writing
-- while the index is built. A build that was cut short leaves an invalid index.

-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS record_tombstones;
CREATE INDEX CONCURRENTLY record_tombstones ON syncline_records (owner, revision) WHERE deleted;
