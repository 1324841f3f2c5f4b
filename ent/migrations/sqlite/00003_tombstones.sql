-- Where to look for old tombstones.

-- +goose Up
CREATE INDEX record_tombstones ON syncline_records (owner, revision) WHERE deleted;
