package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncline/synckit/errors"
)

// migrations bring the tables from one version to the next; T stands for the
// table's name. A released one is never edited.
//
// The row of T_head is locked by each commit before anything else, and stays locked to its
// end: so positions appear in the order of commits. No row is deleted from the table of
// events; one that is dropped keeps its ID. A review that has ended keeps its row without its content, so that a reader who
// stands there can go on.
var migrations = []string{
	`
	CREATE TABLE "T" (
		position     BIGINT  PRIMARY KEY,
		id           BYTEA   NOT NULL UNIQUE,
		type         BYTEA   NOT NULL,
		aggregate_id BYTEA   NOT NULL,
		data         BYTEA   NOT NULL,
		metadata     BYTEA   NOT NULL,
		version_kind TEXT    NOT NULL,
		version      BYTEA   NOT NULL,
		origin       BYTEA   NOT NULL,
		confirmed    BOOLEAN NOT NULL,
		clock        BIGINT  NOT NULL
	);
	CREATE INDEX "T_aggregate" ON "T" (aggregate_id, position);
	CREATE INDEX "T_clock"     ON "T" (aggregate_id, clock);
	CREATE TABLE "T_head" (
		one    BOOLEAN PRIMARY KEY CHECK (one),
		latest BIGINT  NOT NULL,
		micros BIGINT  NOT NULL -- the latest time of an event, since 1970
	);
	INSERT INTO "T_head" (one, latest, micros) VALUES (true, 0, 0);
	CREATE TABLE "T_cursors" (
		peer      BYTEA NOT NULL,
		direction BYTEA NOT NULL,
		value     BYTEA NOT NULL,
		PRIMARY KEY (peer, direction)
	);
	CREATE TABLE "T_reviews" (
		place   BIGINT PRIMARY KEY,
		id      BYTEA  NOT NULL UNIQUE,
		content BYTEA
	);
	CREATE INDEX "T_waiting" ON "T_reviews" (place) WHERE content IS NOT NULL;
	`,
	`ALTER TABLE "T" ADD COLUMN dropped BOOLEAN NOT NULL DEFAULT false;`,
}

func named(table, statement string) string {
	return strings.ReplaceAll(statement, `"T`, `"`+table)
}

// migrate is safe when several processes open one database at once.
func (s *Store) migrate(ctx context.Context, table string) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// CREATE TABLE IF NOT EXISTS fails where two do it at once.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('synckit', 0))`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, named(table, `CREATE TABLE IF NOT EXISTS "T_schema" (version INTEGER NOT NULL)`)); err != nil {
			return err
		}
		var current int
		if err := tx.QueryRow(ctx, named(table, `SELECT coalesce(max(version), 0) FROM "T_schema"`)).Scan(&current); err != nil {
			return err
		}
		if current > len(migrations) {
			return errors.New(errors.Unsupported, "open postgres store",
				fmt.Errorf("the tables of %s are of version %d, made by a newer release; this one knows %d", table, current, len(migrations)))
		}
		for version := current + 1; version <= len(migrations); version++ {
			if _, err := tx.Exec(ctx, named(table, migrations[version-1])); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, named(table, `INSERT INTO "T_schema" (version) VALUES ($1)`), version); err != nil {
				return err
			}
			s.logger.Printf("table %s is at version %d", table, version)
		}
		return nil
	})
}
