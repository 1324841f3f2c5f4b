package storage

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"time"
)

// maxLog is how long the write-ahead log gets, in bytes, before a writer waits
// for those who read from it. SQLite begins it anew only at a moment when nobody
// does, which may never come while there is much to read and to write.
const maxLog = 64 << 20

// readersTime is how long they are waited for, in milliseconds. Ours take less.
const readersTime = 250

// loggingConn is a connection that writes. It keeps the log short.
type loggingConn struct {
	*preparingConn
	log     string      // its path
	info    os.FileInfo // of the log as this connection has it open; nil before the first transaction
	longest int64       // until the readers are waited for
	markAt  time.Time   // when the file is to get another number
}

// BeginTx implements driver.ConnBeginTx.
func (c *loggingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.files.present(c.info); err != nil {
		return nil, refusal(err)
	}
	if !time.Now().Before(c.markAt) {
		c.mark()
	}
	if info, err := os.Stat(c.log); err == nil && info.Size() >= c.longest {
		c.fold()
	}
	tx, err := c.preparingConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, c.files.note(err)
	}
	if c.info == nil {
		c.info, _ = os.Stat(c.log) // known from the next one on, if not now
	}
	return checkedTx{tx, c}, nil
}

// fold brings the log into the file and cuts it off, and tells whether it did. If that
// fails, which harms nothing, it is tried again when the log is longer.
func (c *loggingConn) fold() (done bool) {
	for _, pragma := range []string{
		fmt.Sprintf("PRAGMA busy_timeout = %d", readersTime),
		"PRAGMA wal_checkpoint(TRUNCATE)",
		fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout),
	} {
		_ = c.exec(pragma) // the statements that follow meet what is wrong
	}
	c.longest = maxLog
	info, err := os.Stat(c.log)
	if err == nil {
		c.longest += info.Size()
	}
	return err == nil && info.Size() == 0
}
