package storage

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a connection does so that a replica can take its server's place.

const readOnlyTransaction = "25006"

// leaveReadOnly ends a connection whose server does not take writes any more,
// so that the next one looks for the server that does.
func leaveReadOnly(next pgconn.PgErrorHandler) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		keep := next(conn, err)
		return keep && err.Code != readOnlyTransaction
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
