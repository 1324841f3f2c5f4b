package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"syncline/storage"
)

type backupCommand struct {
	File string `arg:"" type:"path" help:"The file to make, which must not be there; - for standard output."`
}

// Help is shown by syncline backup --help.
func (*backupCommand) Help() string {
	return `It holds what was committed at one moment, whether a server runs or not. The copy is read once and found to be sound before it gets its name. Whoever has it has all data: only this user may read it.

Examples:
  syncline backup /backups/syncline-$(date +%F).db
  syncline backup - | age -r age1... > syncline.db.age

A copy that goes to standard output is made in $TMPDIR first, or if that is not set beside the database.`
}

func (c *backupCommand) Run(ctx context.Context, l *line) error {
	dir, err := l.sqliteDir("its own tools back that up: see docs/operations.md")
	if err != nil {
		return err
	}
	if c.File == "-" {
		return c.toStdout(ctx, l, dir)
	}
	if _, err := os.Lstat(c.File); err == nil {
		return fmt.Errorf("%s is there already, and is not replaced", c.File)
	}
	backup, err := storage.BackupSQLite(ctx, dir, c.File+".partial")
	if err != nil {
		return err
	}
	if err := backup.SaveAs(c.File); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%s is there already, and is not replaced", c.File)
		}
		return errors.Join(err, backup.Close())
	}
	if err := backup.Close(); err != nil {
		return err
	}
	return l.printf("%s: %s\n", c.File, backup.Contents)
}

func (*backupCommand) toStdout(ctx context.Context, l *line, dir string) (err error) {
	if f, ok := l.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return usageError{errors.New("a backup is not for a terminal: name a file, or send it on to another command")}
	}
	scratch := dir
	if temporary := os.Getenv("TMPDIR"); temporary != "" { // others may make files there
		if scratch, err = os.MkdirTemp(temporary, "syncline-backup-"); err != nil {
			return fmt.Errorf("TMPDIR: %w", err)
		}
		defer func() { err = errors.Join(err, os.Remove(scratch)) }() //nolint:gosec // it was made here, and is empty by then
	}
	backup, err := storage.BackupSQLite(ctx, dir, filepath.Join(scratch, "syncline.db.backup"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backup.Close()) }()
	if _, err := backup.WriteTo(l.Stdout); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	_, _ = fmt.Fprintln(l.Stderr, backup.Contents)
	return nil
}

type restoreCommand struct {
	File  string `arg:"" type:"path" help:"The backup; - for standard input."`
	Force bool   `help:"Replace the database that is there. It is kept beside the new one."`
}

// Help is shown by syncline restore --help.
func (*restoreCommand) Help() string {
	return `The server must be stopped. The backup is checked, and put in place whole or not at all. A new epoch begins in it: clients hear which of their writes it lacks, and write them again by themselves. Do not run new-epoch after it.

Examples:
  syncline restore /backups/syncline-2026-11-30.db
  age -d -i key.txt syncline.db.age | syncline restore --force -`
}

func (c *restoreCommand) Run(ctx context.Context, l *line) error {
	dir, err := l.sqliteDir("its own tools restore that: see docs/operations.md")
	if err != nil {
		return err
	}
	backup := os.Stdin
	if c.File != "-" {
		if backup, err = storage.OpenBackup(c.File); err != nil {
			return err
		}
		defer backup.Close() //nolint:errcheck // it was only read
	}
	restored, err := storage.RestoreSQLite(ctx, dir, backup, c.Force, time.Now())
	if errors.Is(err, storage.ErrExists) {
		return fmt.Errorf("%w: --force replaces it, and keeps it beside the new one", err)
	}
	if err != nil {
		return named("SQLITE_DIR_PATH", err)
	}
	if restored.Replaced != "" {
		if err := l.printf("the database before is kept as %s\n", restored.Replaced); err != nil {
			return err
		}
	}
	return l.printf("restored: %s; revisions go on above %d\n", restored.Contents, restored.Base)
}

// sqliteDir is the configured directory. Where the data is in PostgreSQL, the error
// says what to do instead.
func (l *line) sqliteDir(instead string) (string, error) {
	cfg, err := l.config()
	if err != nil {
		return "", err
	}
	if cfg.DatabaseURL != "" {
		return "", fmt.Errorf("DATABASE_URL is set, so the data is in PostgreSQL: %s", instead)
	}
	return cfg.SQLiteDirPath, nil
}
