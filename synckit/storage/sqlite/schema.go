package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"syncline/synckit/errors"
)

// migrations bring the tables from one version to the next; T stands for the
// table's name. A released one is never edited.
//
// Nothing is deleted from the table of events, so positions are never used again.
// A review that has ended keeps its row without its content, so that a reader
// who stands there can go on.
var migrations = []string{
	`
	CREATE TABLE "T" (
		position     INTEGER PRIMARY KEY,
		id           TEXT    NOT NULL UNIQUE,
		type         TEXT    NOT NULL,
		aggregate_id TEXT    NOT NULL,
		data         TEXT    NOT NULL,
		metadata     TEXT    NOT NULL,
		version_kind TEXT    NOT NULL,
		version      TEXT    NOT NULL,
		origin       TEXT    NOT NULL,
		confirmed    INTEGER NOT NULL,
		clock        INTEGER NOT NULL
	);
	CREATE INDEX "T_aggregate" ON "T" (aggregate_id, position);
	CREATE INDEX "T_clock"     ON "T" (aggregate_id, clock);
	CREATE TABLE "T_cursors" (
		peer      TEXT NOT NULL,
		direction TEXT NOT NULL,
		value     TEXT NOT NULL,
		PRIMARY KEY (peer, direction)
	) WITHOUT ROWID;
	CREATE TABLE "T_reviews" (
		place   INTEGER PRIMARY KEY,
		id      TEXT NOT NULL UNIQUE,
		content TEXT
	);
	CREATE INDEX "T_waiting" ON "T_reviews" (place) WHERE content IS NOT NULL;
	`,
	`ALTER TABLE "T" ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;`,
}

func named(table, statement string) string {
	return strings.ReplaceAll(statement, `"T`, `"`+table)
}

// migrate is safe when several processes open one file at once.
func (s *Store) migrate(ctx context.Context, table string) error {
	if current, err := schemaVersion(ctx, s.read, table); err == nil && current == len(migrations) {
		return nil // also on a file that cannot be written
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
	if _, err := tx.ExecContext(ctx, named(table, `CREATE TABLE IF NOT EXISTS "T_schema" (version INTEGER NOT NULL)`)); err != nil {
		return err
	}
	current, err := schemaVersion(ctx, tx, table)
	if err != nil {
		return err
	}
	if current > len(migrations) {
		return errors.New(errors.Unsupported, "open sqlite store",
			fmt.Errorf("the tables of %s are of version %d, made by a newer release; this one knows %d", table, current, len(migrations)))
	}
	for version := current + 1; version <= len(migrations); version++ {
		if _, err := tx.ExecContext(ctx, named(table, migrations[version-1])); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, named(table, `INSERT INTO "T_schema" (version) VALUES (?)`), version); err != nil {
			return err
		}
		s.logger.Printf("table %s is at version %d", table, version)
	}
	return tx.Commit()
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func schemaVersion(ctx context.Context, db rowQuerier, table string) (version int, err error) {
	err = db.QueryRowContext(ctx, named(table, `SELECT coalesce(max(version), 0) FROM "T_schema"`)).Scan(&version)
	return version, err
}
