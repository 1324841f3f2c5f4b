package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"syncline/client"
	"syncline/cmd/syncctl/internal/group"
	"syncline/cmd/syncctl/internal/terminal"
)

type changesCommand struct {
	Since string `help:"Where to begin: a cursor, or a revision. Default: the beginning."`
	First int    `help:"Show one page of at most so many records, instead of all."`
	encryption
}

// Help is shown by syncctl changes --help.
func (*changesCommand) Help() string {
	return `Examples:
  syncctl changes
  syncctl changes --since 42
  syncctl changes --json | jq -r 'select(.id) | .id'

The last line is the cursor to go on from; with --json an object with cursor, hasMore and head.`
}

// pageSize is how many records are asked for at once.
const pageSize = 500

// Run walks the feed page by page, each within the timeout: the walk takes as
// long as there are pages.
func (l *changesCommand) Run(ctx context.Context, a *app) error {
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	b, err := l.box(ctx, a)
	if err != nil {
		return err
	}
	var failed errorList
	at, size := client.Cursor(l.Since), cmp.Or(l.First, pageSize)
	for first := true; ; first = false {
		page, err := c.Changes(ctx, at, size)
		if err != nil {
			return err
		}
		last := l.First != 0 || !page.HasMore
		shown := page.Records[:0]
		for _, r := range page.Records {
			if r, err = b.open(r); err != nil {
				failed = append(failed, err)
				continue
			}
			shown = append(shown, r)
		}
		page.Records = shown
		switch a.showPage(page, first, last); {
		case a.results.failed != nil:
			return a.results.failed
		case last && len(failed) > 0:
			return failed
		case last:
			return nil
		}
		at = page.Cursor
	}
}

func (a *app) showPage(page client.Page, first, last bool) {
	if a.JSON {
		for _, r := range page.Records {
			a.printJSON(newRecordJSON(r))
		}
		if last {
			a.printJSON(pageEndJSON{string(page.Cursor), page.HasMore, int64(page.Head)})
		}
		return
	}
	var rows [][]string
	if first && len(page.Records) > 0 {
		rows = append(rows, []string{"REVISION", "ID", "UPDATED", "DATA"})
	}
	for _, r := range page.Records {
		rows = append(rows, []string{fmt.Sprint(r.Revision), r.ID, localTime(r.UpdatedAt), summary(r)})
	}
	a.showTable(rows)
	if last {
		a.printf("cursor %s\n", page.Cursor)
	}
}

type pageEndJSON struct {
	Cursor  string `json:"cursor"`
	HasMore bool   `json:"hasMore"`
	Head    int64  `json:"head"`
}

type listenCommand struct {
	Since      *string `help:"Where to begin: a cursor, a revision, or 0 for the beginning, which an empty one means, too. Default: now."`
	Exec       string  `type:"bytes" placeholder:"COMMAND" help:"Run a command of the shell for each change, one after another, instead of showing them."`
	CursorFile string  `type:"path" placeholder:"FILE" help:"Keep the cursor in a file: begin where it says, and go on from there the next time."`
	encryption
}

// Help is shown by syncctl listen --help.
func (*listenCommand) Help() string {
	return `Examples:
  syncctl listen
  syncctl listen --since 0
  syncctl listen --json --since "$(cat cursor)" | while read -r event; do ...; done
  syncctl listen --cursor-file cursor --exec \
    'name=$(printf %s "$SYNCLINE_RECORD_ID" | od -An -v -tx1 | tr -d " \n"); cat > "mirror/$name"'

It connects again by itself after a lost connection, without a hole. Each JSON event has the cursor to go on from.
An interrupt (Ctrl-C) ends it with exit code 0.

A command finds the data in its standard input, and in its environment SYNCLINE_RECORD_ID, SYNCLINE_RECORD_REVISION,
SYNCLINE_RECORD_DELETED (1, or empty), SYNCLINE_RECORD_SCHEMA_VERSION, SYNCLINE_RECORD_CLIENT_ID and SYNCLINE_CURSOR. If it fails, listening
ends with its exit code. The cursor is stored after the command succeeded: a change may be seen twice, but none is missed.
An id is any text, ../.bashrc for one: the example takes it as hexadecimal digits. On Windows use no %VARIABLES% in COMMAND, but a script that
reads them itself: cmd would take what is in them for commands.`
}

func (l *listenCommand) Run(ctx context.Context, a *app) error {
	at, err := l.begin()
	if err != nil {
		return err
	}
	c, err := a.client(ctx, slog.LevelInfo)
	if err != nil {
		return err
	}
	b, err := l.box(ctx, a)
	if err != nil {
		return err
	}
	for e, err := range c.Follow(ctx, at) {
		var unopened error
		if err == nil && e.Kind == client.Changed {
			e.Record, unopened = b.open(e.Record)
		}
		switch {
		case err != nil && isInterrupted(ctx):
			a.resumeHint(at)
			return nil
		case err != nil:
			return err
		case unopened != nil && l.Exec != "":
			return unopened
		case unopened != nil:
			a.showError(unopened, exitError)
		case e.Kind == client.Changed && l.Exec != "":
			code, err := l.handle(ctx, e)
			if err != nil || code != 0 || ctx.Err() != nil {
				a.resumeHint(at)
				if !isInterrupted(ctx) {
					a.commandCode = code
				}
				return err
			}
		default:
			if a.showEvent(e, l.Exec != ""); a.results.failed != nil {
				return nil // run tells
			}
		}
		at = e.Cursor
		if l.CursorFile != "" {
			if err := storeCursor(l.CursorFile, at); err != nil {
				return fmt.Errorf("store the cursor: %w", err)
			}
		}
	}
	return nil
}

func isInterrupted(ctx context.Context) bool {
	_, ok := errors.AsType[group.Signal](context.Cause(ctx))
	return ok
}

// begin is where to begin: what the file says, else the flag, else now.
func (l *listenCommand) begin() (client.Cursor, error) {
	since := l.Since
	if l.CursorFile != "" {
		stored, err := os.ReadFile(l.CursorFile)
		switch text := strings.TrimSpace(string(stored)); {
		case err == nil:
			since = &text
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	switch {
	case since == nil:
		return client.Now, nil
	case *since == "" || *since == "0":
		return client.Beginning, nil
	default:
		return client.Cursor(*since), nil
	}
}

// storeCursor replaces the file as a whole: it is never found half written.
func storeCursor(path string, at client.Cursor) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".cursor-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	_, err = fmt.Fprintln(temporary, at)
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// handle runs the command for one change.
func (l *listenCommand) handle(ctx context.Context, e client.Event) (code int, err error) {
	shell := shellCommand(l.Exec)
	path, err := group.Find(shell[0])
	if err != nil {
		return 0, err
	}
	in, data, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	go func() { // ends when all is written, or nobody can read any more
		_, _ = data.Write(e.Record.Data)
		_ = data.Close()
	}()
	deleted := ""
	if e.Record.Deleted {
		deleted = "1"
	}
	return group.Run(ctx, group.Command{
		Path: path, Args: shell, Stdin: in, Stdout: os.Stdout, Stderr: os.Stderr, Grace: killAfter,
		Env: append(os.Environ(),
			"SYNCLINE_RECORD_ID="+e.Record.ID,
			fmt.Sprintf("SYNCLINE_RECORD_REVISION=%d", e.Record.Revision),
			"SYNCLINE_RECORD_DELETED="+deleted,
			"SYNCLINE_RECORD_SCHEMA_VERSION="+e.Record.SchemaVersion,
			"SYNCLINE_RECORD_CLIENT_ID="+e.Record.ClientID,
			"SYNCLINE_CURSOR="+string(e.Cursor),
		),
	})
}

func (a *app) resumeHint(at client.Cursor) {
	if !a.JSON && at != client.Now && at != client.Beginning {
		a.notef("\ngo on with: syncctl listen --since %s\n", shellQuote(string(at)))
	}
}

// showEvent shows what happened; quiet leaves standard output to others.
func (a *app) showEvent(e client.Event, quiet bool) {
	switch {
	case e.Kind == client.CaughtUp && (quiet || !a.JSON):
		a.notef("-- live --\n")
	case a.JSON:
		out := eventJSON{Kind: string(e.Kind), Cursor: string(e.Cursor)}
		if e.Kind == client.Changed {
			out.Record = newRecordJSON(e.Record)
		}
		a.printJSON(out)
	default:
		a.printf("%8d  %s  %s\n", e.Record.Revision, terminal.Pad(terminal.Line(e.Record.ID), 20), summary(e.Record))
	}
}

type eventJSON struct {
	Kind   string      `json:"kind"`
	Cursor string      `json:"cursor"`
	Record *recordJSON `json:"record"`
}
