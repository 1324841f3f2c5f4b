package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"entgo.io/ent/dialect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresConns bounds the connections of one instance.
const postgresConns = 16

// OpenPostgres opens a PostgreSQL database by its URL (or keyword string).
// Errors are one line meant for the operator and carry no password.
func OpenPostgres(ctx context.Context, url string) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the PostgreSQL address is not valid: %w", err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "syncline"
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	place := fmt.Sprintf("%s on %s:%d", config.Database, config.Host, config.Port)
	if err := pool.PingContext(ctx); err != nil {
		_ = pool.Close()
		return nil, fmt.Errorf("cannot open the PostgreSQL database %s: %w", place, firstCause(err))
	}
	return newDB(dialect.Postgres, place, pool, pool), nil
}

// firstCause is the first of the causes that pgx lists, one a line, for each
// address that it tried.
func firstCause(err error) error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return err
	}
	cause := errors.Unwrap(failed)
	if many, ok := cause.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
		cause = many.Unwrap()[0]
	}
	return cause
}
