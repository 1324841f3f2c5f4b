package storage

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"syncline/ent"
	"syncline/ent/account"
	"syncline/ent/epoch"
	"syncline/ent/migrations"
	"syncline/ent/nonce"
	"syncline/storage/commit"
	"syncline/storage/postgres"
)

// onPostgres is the kind of a database on PostgreSQL.
type onPostgres struct {
	pool *pgxpool.Pool
	read *sql.DB // takes its connections from the pool
}

// How many transactions a PostgreSQL has at a time. One worker works while the
// other waits for its commit; more make the batches smaller and each write
// dearer.
const (
	maxWorkers = 2
	maxWaiters = 4
)

func (p onPostgres) engine() *commit.Engine {
	// Others have at least half of four connections, or of more; of three they
	// have one, and of two none while all workers wait.
	some := max(1, int(p.pool.Config().MaxConns)/4)
	return commit.New(postgres.New(p.pool), min(maxWorkers, some), min(maxWaiters, some))
}

func (p onPostgres) rows() Reader { return postgres.New(p.pool) }

func (p onPostgres) clock(ctx context.Context) (now time.Time, err error) {
	err = p.read.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&now)
	return now, err
}

func (p onPostgres) size(ctx context.Context, into *Size) error {
	if err := p.read.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&into.Bytes); err != nil {
		return fmt.Errorf("failed to ask for the database's size: %w", err)
	}
	return nil
}

// pools say in the words of database/sql what pgx's pool does. There, waiting for a
// connection that is being made counts as waiting, too.
func (p onPostgres) pools() map[string]func() sql.DBStats {
	return map[string]func() sql.DBStats{"all": func() sql.DBStats {
		s := p.pool.Stat()
		return sql.DBStats{
			MaxOpenConnections: int(s.MaxConns()),
			OpenConnections:    int(s.TotalConns()),
			InUse:              int(s.AcquiredConns()),
			Idle:               int(s.IdleConns()),
			WaitCount:          s.EmptyAcquireCount(),
			WaitDuration:       s.EmptyAcquireWaitTime(),
			MaxIdleTimeClosed:  s.MaxIdleDestroyCount(),
			MaxLifetimeClosed:  s.MaxLifetimeDestroyCount(),
		}
	}}
}

func (onPostgres) migrations() (goose.Dialect, fs.FS, []goose.ProviderOption, error) {
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableName("syncline_migrations_lock"),
		lock.WithTableLockTimeout(250*time.Millisecond, 4*60), // one minute: longer than a dead process's lease
	)
	return goose.DialectPostgres, migrations.Postgres(), []goose.ProviderOption{goose.WithLocker(locker)}, err
}

func (onPostgres) hasTables() string { return "SELECT count(to_regclass('" + epoch.Table + "'))" }

func (onPostgres) tableNames() string {
	return "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
}

func (onPostgres) lockOutWriters(ctx context.Context, tx *ent.Tx) error {
	_, err := tx.ExecContext(ctx, "LOCK TABLE "+account.Table+" IN EXCLUSIVE MODE")
	return err
}

func (onPostgres) mayIdle(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0")
	return err
}

// keepOut locks accounts: who writes anything has locked one, but for nonces.
func (onPostgres) keepOut(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "LOCK TABLE "+account.Table+", "+nonce.Table+" IN EXCLUSIVE MODE")
	return err
}

func (onPostgres) insertAll(ctx context.Context, conn *sql.Conn, _ *sql.Tx, table string, columns []string, next func() ([]any, error)) error {
	return conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(next))
		return err
	})
}

// closeTime is how long the end of connections to PostgreSQL is waited for. One that
// does not answer keeps nobody from ending.
const closeTime = 2 * time.Second

func (p onPostgres) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTime):
	}
}
