// Package migrations holds the database's history, one folder per dialect. A
// file that was released is never changed; the next change is the next file.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// SQLite are the migrations in SQLite's SQL.
func SQLite() fs.FS { return sub("sqlite") }

// Postgres are the migrations in PostgreSQL's SQL.
func Postgres() fs.FS { return sub("postgres") }

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the name is valid
	}
	return f
}
