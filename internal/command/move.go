package command

import (
	"context"
	"errors"
	"fmt"

	"syncline/storage"
)

type moveCommand struct {
	To string `required:"" enum:"postgres,sqlite" placeholder:"KIND" help:"Where to: postgres, which DATABASE_URL names, or sqlite, in SQLITE_DIR_PATH. It comes from the other."`
}

// Help is shown by syncline move --help.
func (*moveCommand) Help() string {
	return `No server may run on either. Everything is copied in one transaction into a database in which nothing is kept yet, and counted; what it comes from stays as it is. Epoch, revisions, cursors, mutation ids and fence tokens stay what they are: no client notices. Do not serve the old one afterwards: clients would not notice that either.

Example:
  SQLITE_DIR_PATH=db DATABASE_URL=postgres://... syncline move --to postgres`
}

func (c *moveCommand) Run(ctx context.Context, l *line) (err error) {
	cfg, err := l.config()
	if err != nil {
		return err
	}
	if cfg.DatabaseURL == "" {
		return errors.New("DATABASE_URL: is not set, and a move needs it and SQLITE_DIR_PATH")
	}
	if c.To == "postgres" && !storage.HasSQLite(cfg.SQLiteDirPath) {
		return fmt.Errorf("SQLITE_DIR_PATH: %w in %q", storage.ErrNoDatabase, cfg.SQLiteDirPath)
	}
	postgres, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()
	if c.To == "sqlite" {
		if err := postgres.MustHaveTables(ctx); err != nil {
			return named("DATABASE_URL", err)
		}
	}
	sqlite, err := storage.OpenSQLite(ctx, cfg.SQLiteDirPath)
	if err != nil {
		return named("SQLITE_DIR_PATH", err)
	}
	defer func() { err = errors.Join(err, sqlite.Close()) }()
	from, to := sqlite, postgres
	if c.To == "sqlite" {
		from, to = postgres, sqlite
	}
	var told error
	tell := func(what string) storage.Moved {
		return func(table string, rows int64) { told = errors.Join(told, l.printf(what, table, rows)) }
	}
	if err := storage.Move(ctx, from, to, tell("%s: %d rows so far\n"), tell("%s: %d rows\n")); err != nil {
		return fmt.Errorf("nothing was moved: %w", err)
	}
	return errors.Join(told, l.printf("moved from %s to %s: serve that one now, and no more the other\n", from.Place(), to.Place()))
}
