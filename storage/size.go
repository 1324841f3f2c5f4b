package storage

import (
	"context"
	"database/sql"
	"fmt"
)

// Size is how much a database has.
type Size struct {
	Owners int
	Bytes  int64 // of SQLite's file, or of the whole of PostgreSQL's database
	Log    int64 // bytes of SQLite's write-ahead log; 0 on PostgreSQL
}

// Size counts the owners, which reads all of their table.
func (db *DB) Size(ctx context.Context) (size Size, err error) {
	if size.Owners, err = db.Read.Account.Query().Count(ctx); err != nil {
		return Size{}, fmt.Errorf("failed to count the owners: %w", err)
	}
	if err := db.kind.size(ctx, &size); err != nil {
		return Size{}, err
	}
	return size, nil
}

// Pools tell of the pools of connections, by what they are for: one of SQLite to read and
// one to write, or one of PostgreSQL for both.
func (db *DB) Pools() map[string]func() sql.DBStats { return db.kind.pools() }
