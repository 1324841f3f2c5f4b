package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
)

const migrationsTable = "syncline_migrations"

// ErrNewer says that a newer version of this program changed the tables.
var ErrNewer = errors.New("the database was brought up to date by a newer version of syncline; use that version or a newer one")

// Migrate brings the tables up to date and, in a new database, begins the first
// epoch. Several processes may call it at once on PostgreSQL. Errors are one
// line meant for the operator; errors.Is knows ErrNewer.
func (db *DB) Migrate(ctx context.Context) error {
	if err := db.migrate(ctx); err != nil {
		return fmt.Errorf("cannot bring the database %s up to date: %w", db.place, explainSQLite(err))
	}
	return nil
}

func (db *DB) migrate(ctx context.Context) error {
	provider, err := db.provider()
	if err != nil {
		return err
	}
	if err := provider.Ping(ctx); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > known {
		return fmt.Errorf("%w (its tables have version %d, this program knows %d)", ErrNewer, current, known)
	}
	return beginFirstEpoch(ctx, db.Write, time.Now())
}

func (db *DB) provider() (*goose.Provider, error) {
	name, files, options, err := db.kind.migrations()
	if err != nil {
		return nil, err
	}
	options = append(options, goose.WithTableName(migrationsTable), goose.WithDisableGlobalRegistry(true))
	return goose.NewProvider(name, db.write, files, options...)
}
