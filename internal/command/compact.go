package command

import (
	"context"

	"syncline/storage"
)

type compactCommand struct{}

// Help is shown by syncline compact --help.
func (*compactCommand) Help() string {
	return `What is purged or erased leaves room in the file, which is used again, and is not given back to the disk by itself. This copies what is kept into a new file, checks it, and puts it in the place of the old one, whole or not at all. Meanwhile the disk needs room for both.

The server must be stopped. PostgreSQL has tools of its own for this.`
}

func (c *compactCommand) Run(ctx context.Context, l *line) error {
	dir, err := l.sqliteDir("it uses such room again by itself, and VACUUM FULL gives it back")
	if err != nil {
		return err
	}
	before, after, err := storage.CompactSQLite(ctx, dir, func(done, all int64) { l.tell("copied %d of %d bytes", done, all) })
	if err != nil {
		return named("SQLITE_DIR_PATH", err)
	}
	return l.printf("compacted: %d bytes, before %d\n", after, before)
}
