package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"syncline/internal/config"
	"syncline/storage"
	"syncline/storage/datasync"
)

type importCommand struct {
	Breez importBreezCommand `cmd:"" help:"Import a database of Breez data-sync, with its revisions."`
}

type importBreezCommand struct {
	Source string `arg:"" help:"Its db.sqlite, or the URL of its PostgreSQL database, which may be DATABASE_URL."`
	Create bool   `help:"Make the tables, too, where there is no database yet."`
}

// Help is shown by syncline import breez --help.
func (*importBreezCommand) Help() string {
	return `Stop data-sync first: what is written there afterwards is not imported. Its database is only read. Each owner is imported whole or not at all, and then compared; an import that was interrupted is run again. An owner who has another history here is left as it is, and that is an error.

What was imported otherwise than it is there, and what could not be, is told a line each. Locks are not imported: it waits until the last one has expired, for at most 5 minutes.

PostgreSQL's password may come from PGPASSWORD or PGPASSFILE. Beside running servers it works on PostgreSQL; an SQLite database belongs to one process: stop the server first.

Example:
  syncline import breez --create /var/lib/data-sync/db/db.sqlite`
}

// longestLock is the longest that is waited for locks of data-sync.
const longestLock = 300 * time.Second

func (c *importBreezCommand) Run(ctx context.Context, l *line) error {
	return l.withDatabase(ctx, c.Create, func(_ config.Config, db *storage.DB) (err error) {
		from, err := datasync.Open(ctx, c.Source)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, from.Close()) }()
		var told error
		last := time.Now()
		work := datasync.Import{
			From: from, To: db, Now: time.Now,
			Note: func(n datasync.Note) {
				if told == nil {
					told = l.printf("%s\n", n)
				}
			},
			Progress: func(doing string, c datasync.Counts) {
				if time.Since(last) > time.Second {
					last = time.Now()
					l.tell("%s %d owners and %d records", doing, c.Owners, c.Records)
				}
			},
		}
		result, err := work.Run(ctx)
		if err = errors.Join(err, told); err != nil {
			return fmt.Errorf("after %d owners: %w", result.Imported.Owners, err)
		}
		err = l.printf("imported %d owners with %d records, %d bytes of data\nthe same here as there, by SHA-256: %d owners with %d records, %d bytes of data\n",
			result.Imported.Owners, result.Imported.Records, result.Imported.Bytes, result.Same.Owners, result.Same.Records, result.Same.Bytes)
		if err == nil {
			err = l.awaitLocks(ctx, result.LockedUntil)
		}
		if err == nil && (result.Other > 0 || result.Lost > 0) {
			err = fmt.Errorf("%d owners have another history here, and %d owners and records cannot be kept: the lines above name them", result.Other, result.Lost)
		}
		return err
	})
}

// awaitLocks waits until locks have expired.
func (l *line) awaitLocks(ctx context.Context, until time.Time) error {
	left := time.Until(until)
	if left <= 0 {
		return nil
	}
	if left > longestLock {
		l.tell("a lock is held until %s: it is waited for until %s", until.Format(time.RFC3339), time.Now().Add(longestLock).Format(time.RFC3339))
		left = longestLock
	} else {
		l.tell("waiting until the last lock has expired, at %s", until.Format(time.RFC3339))
	}
	select {
	case <-time.After(left):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for locks: %w", ctx.Err())
	}
}
