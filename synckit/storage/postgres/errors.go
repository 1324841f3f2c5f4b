package postgres

import (
	stderrors "errors"

	"github.com/jackc/pgx/v5/pgconn"

	"syncline/synckit/errors"
)

// causes name what an operator can mend, in an error's metadata, by SQLSTATE.
var causes = map[string]string{
	"53100": "the disk is full",
	"53300": "the database has no connection left",
	"25006": "the database is read-only",
	"28P01": "the password is wrong",
	"28000": "the user may not connect",
	"3D000": "there is no such database",
	"42501": "the user may not do that",
	"57P01": "the database shuts down",
}

// tooLarge are the SQLSTATEs of events that no table takes.
var tooLarge = map[string]bool{"54000": true, "22026": true}

// coded leaves errors that have a code as they are.
func coded(op string, err error) error {
	if err == nil || errors.CodeOf(err) != "" {
		return err
	}
	code, metadata := errors.StorageFailed, errors.Metadata{}
	if e, ok := stderrors.AsType[*pgconn.PgError](err); ok {
		if cause, known := causes[e.Code]; known {
			metadata["cause"] = cause
		}
		if tooLarge[e.Code] {
			code = errors.TooLarge
		}
	}
	return errors.New(code, op, err, metadata)
}
