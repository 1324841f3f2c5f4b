package storage

import (
	"github.com/jackc/pgx/v5/pgconn"

	"syncline/storage/failure"
)

// leaveStalePlans returns a handler of a connection's errors that answers what next does. Before that it has all
// connections of a pool replaced if a statement failed whose plan was prepared before a column changed its type: each
// has such plans, and a retry would meet one after the other. reset closes those that are idle, and the
// others when they are given back.
func leaveStalePlans(next pgconn.PgErrorHandler, reset func()) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		if failure.StalePlan(err) {
			reset()
		}
		return next(conn, err)
	}
}
