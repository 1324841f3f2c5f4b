package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"

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

// connector marks the contexts in which connections are made.
type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	return c.Connector.Connect(connecting(ctx))
}

type connectingKey struct{}

func connecting(ctx context.Context) context.Context {
	return context.WithValue(ctx, connectingKey{}, true)
}

var errNoCancel = errors.New("statements are not cancelled")

// neverCancel dials for new connections only. pgx would also dial to cancel the
// statement of a connection that it gives up. A commit that waits for a
// synchronous replica and is cancelled stands at once, for all to see, and is
// lost if that replica takes over. Left alone, it goes on waiting unseen.
func neverCancel(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if ctx.Value(connectingKey{}) == nil {
			return nil, errNoCancel
		}
		return dial(ctx, network, address)
	}
}
