package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"entgo.io/ent/dialect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"syncline/internal/serverurl"
	"syncline/storage/failure"
)

// MaxConnections bounds the connections of one instance to PostgreSQL, if
// OpenPostgres is told no other number.
const MaxConnections = 16

// connectTimeout bounds the connecting to one of the servers of an address that
// names several, so that one which is silent does not hide the others.
const connectTimeout = 5 * time.Second

const readOnlyTransaction = "25006"

// OpenPostgres opens a PostgreSQL database by its URL (or keyword string).
// Where that names several servers, the one that takes writes is used, also
// after it has changed. A pooler such as PgBouncer may stand in between. With 0
// maxConnections there are MaxConnections at most.
// Errors are one line meant for the operator and carry no password.
func OpenPostgres(ctx context.Context, url string, maxConnections int) (*DB, error) {
	if err := serverurl.CheckPasswordBeforeFirstAt(url, "/"); err != nil {
		return nil, fmt.Errorf("the PostgreSQL address is not valid: %w", err)
	}
	pooling, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the PostgreSQL address is not valid: %w", withoutAddress(err))
	}
	config := pooling.ConnConfig
	setDefaults(config)
	place := fmt.Sprintf("%s on %s:%d", config.Database, config.Host, config.Port)
	pooled, err := reach(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("cannot open the PostgreSQL database %s: %w", place, firstCause(err))
	}
	switch {
	case !pooled:
		boundTransactions(config)
		noticeLostClients(config)
	case !strings.Contains(url, "default_query_exec_mode"):
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	pooling.BeforeConnect, pooling.BeforeClose = neverCancel, hangUp
	pooling.MaxConns = int32(min(cmp.Or(maxConnections, MaxConnections), math.MaxInt32))
	pooling.MaxConnIdleTime = 5 * time.Minute
	pooling.PingTimeout = connectTimeout
	var pool *pgxpool.Pool
	onPgError := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) (keep bool) {
		// Each connection has plans from before a column changed its type, and a retry would meet
		// one after the other. Those that are in use are replaced when they are given back.
		if failure.StalePlan(err) {
			pool.Reset()
		}
		// A server that does not take writes any more is left, so that the next connection
		// looks for the one that does.
		return onPgError(conn, err) && err.Code != readOnlyTransaction
	}
	pool, err = pgxpool.NewWithConfig(ctx, pooling)
	if err != nil {
		return nil, fmt.Errorf("cannot open the PostgreSQL database %s: %w", place, err)
	}
	ents := stdlib.OpenDBFromPool(pool)
	db := newDB(dialect.Postgres, place, ents, ents)
	db.kind = onPostgres{pool: pool, read: ents}
	return db, nil
}

// boundTransactions has PostgreSQL end a transaction that goes no further: its
// process froze, or was cut off, and its rows are locked. Ours take 30 s at most.
// Poolers refuse the parameter, and have one of their own.
func boundTransactions(config *pgx.ConnConfig) {
	const parameter = "idle_in_transaction_session_timeout"
	if config.RuntimeParams[parameter] == "" {
		config.RuntimeParams[parameter] = "40s"
	}
}

// noticeLostClients has PostgreSQL end a statement whose connection was closed
// while it waits for a row: it would wait on, beside the connections that we
// count. PostgreSQL before 14 does not know the parameter, and later ones have it
// on some operating systems only: a connection would be refused for it.
func noticeLostClients(config *pgx.ConnConfig) {
	const parameter = "client_connection_check_interval"
	if config.RuntimeParams[parameter] != "" {
		return
	}
	config.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		_, err := conn.Exec(ctx, "SET "+parameter+" = '2s'").ReadAll()
		if _, answered := errors.AsType[*pgconn.PgError](err); answered {
			return nil
		}
		return err
	}
}

var errNoCancel = errors.New("statements are not cancelled")

// neverCancel lets a connection dial until it stands. pgx would also dial to cancel the
// statement of a connection that it gives up. A commit that waits for a
// synchronous replica and is cancelled stands at once, for all to see, and is
// lost if that replica takes over. Left alone, it goes on waiting unseen.
func neverCancel(_ context.Context, config *pgx.ConnConfig) error {
	var stands atomic.Bool
	dial, after := config.DialFunc, config.AfterConnect
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if stands.Load() {
			return nil, errNoCancel
		}
		return dial(ctx, network, address)
	}
	config.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		stands.Store(true)
		if after == nil {
			return nil
		}
		return after(ctx, conn)
	}
	return nil
}

// hangUp closes the socket of a connection that was given up. Its place in the pool would
// be taken for 15 s more if the server does not answer, while another one may.
func hangUp(conn *pgx.Conn) {
	if conn.IsClosed() {
		_ = conn.PgConn().Conn().Close() // pgx closes it again
	}
}

// setDefaults sets what an address leaves open.
func setDefaults(config *pgx.ConnConfig) {
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "syncline"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.ValidateConnect == nil { // a replica would answer, from the past
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

// reach connects once, and tells whether a pooler sits between: it gives out
// process ids of its own making. Statements prepared on one connection of a
// pooler may not be there when the next transaction gets another server
// connection.
func reach(ctx context.Context, config *pgx.ConnConfig) (pooled bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was written
	var pid uint32
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid != conn.PgConn().PID(), err
}

// withoutAddress is what is wrong with an address, without the address. pgx hides
// there what it takes for a password, and is wrong where blanks surround the sign.
func withoutAddress(err error) error {
	text := err.Error()
	const end = "`: "
	if i := strings.LastIndex(text, end); i >= 0 {
		text = text[i+len(end):]
	}
	return errors.New(text)
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
	text, _, _ := strings.Cut(cause.Error(), "\n")
	return errors.New(text)
}
