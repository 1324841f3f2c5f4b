package command

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"syncline/internal/config"
	"syncline/internal/health"
	"syncline/storage"
)

type serveCommand struct{}

func (*serveCommand) Run(ctx context.Context, l *line) error {
	signal.Ignore(syscall.SIGPIPE) // of a log that nobody reads any more
	return l.withDatabase(ctx, true, func(cfg config.Config, db *storage.DB) error { return l.Serve(ctx, cfg, db) })
}

type migrateCommand struct {
	Create bool `help:"Make the tables, too, where there are none. Without it that is an error: the path or the name may be wrong."`
}

func (c *migrateCommand) Run(ctx context.Context, l *line) error {
	return l.withDatabase(ctx, c.Create, func(_ config.Config, db *storage.DB) error {
		return l.printf("up to date: %s\n", db.Place())
	})
}

type newEpochCommand struct{}

// Help is shown by syncline new-epoch --help.
func (*newEpochCommand) Help() string {
	return `It is due when the database was restored from a backup without syncline restore, or when a replica that may lack commits was promoted. Clients hear that the history which they know was cut off, and which of their revisions the server never had; they write these again by themselves. Revisions and fence tokens go on above all that was ever given.`
}

func (*newEpochCommand) Run(ctx context.Context, l *line) error {
	return l.withExisting(ctx, func(_ config.Config, db *storage.DB) error {
		base, err := db.NewEpoch(ctx, time.Now())
		if err != nil {
			return err
		}
		return l.printf("a new epoch began; revisions go on above %d\n", base)
	})
}

type healthcheckCommand struct{}

func (*healthcheckCommand) Run(ctx context.Context, l *line) error {
	cfg, err := l.config()
	if err != nil {
		return err
	}
	return health.Ask(ctx, cfg.ListenAddress, cfg.TLS())
}
