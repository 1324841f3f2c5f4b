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

// Pools tell of the pools of connections, by what they are for: one of SQLite to read and
// one to write, or one of PostgreSQL for both.
func (db *DB) Pools() map[string]func() sql.DBStats {
	if db.pool != nil {
		return map[string]func() sql.DBStats{"all": db.poolStats}
	}
	return map[string]func() sql.DBStats{"read": db.read.Stats, "write": db.write.Stats}
}

// poolStats says in the words of database/sql what pgx's pool does. There, waiting for a
// connection that is being made counts as waiting, too.
func (db *DB) poolStats() sql.DBStats {
	s := db.pool.Stat()
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
}
