package storage

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
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
	if db.postgres() {
		if err := db.read.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&size.Bytes); err != nil {
			return Size{}, fmt.Errorf("failed to ask for the database's size: %w", err)
		}
		return size, nil
	}
	file := filepath.Join(filepath.Dir(db.noncesMark), sqliteFile)
	info, err := os.Stat(file)
	if err != nil {
		return Size{}, fmt.Errorf("failed to look at the database's file: %w", err)
	}
	size.Bytes = info.Size()
	if info, err := os.Stat(file + "-wal"); err == nil { // it may be gone for a moment
		size.Log = info.Size()
	}
	return size, nil
}

// Pools are the pools of connections, by what they are for: one of SQLite to read and one to
// write, or one of PostgreSQL for both.
func (db *DB) Pools() map[string]*sql.DB {
	if db.read == db.write {
		return map[string]*sql.DB{"all": db.read}
	}
	return map[string]*sql.DB{"read": db.read, "write": db.write}
}
