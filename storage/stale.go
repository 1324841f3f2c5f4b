package storage

import (
	"github.com/jackc/pgx/v5/pgconn"
)

// leaveStalePlans has all connections of a pool replaced once a statement fails whose plan was prepared before a column
// changed its type: each has such plans, and whoever tries again would meet one after the other. reset closes those that
// are idle, and the others when they are given back.
func leaveStalePlans(next pgconn.PgErrorHandler, reset func()) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if err.Code == "0A000" && err.Routine == "RevalidateCachedQuery" { // as package failure has it
			reset()
		}
		return next(conn, err)
	}
}
