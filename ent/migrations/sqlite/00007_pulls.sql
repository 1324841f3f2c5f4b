-- How often an owner's clients that do not page were to pull again: PostgreSQL's instances
-- without a broker tell one another by it.

-- +goose Up
ALTER TABLE syncline_accounts ADD COLUMN pulls INTEGER NOT NULL DEFAULT 0;
