package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"syncline/client"
)

type changesCommand struct {
	Since string `help:"Where to begin: a cursor, or a revision. Default: the beginning."`
	First int    `help:"Show one page of at most so many records, instead of all."`
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
	c, err := a.client(slog.LevelWarn)
	if err != nil {
		return err
	}
	at, size := client.Cursor(l.Since), cmp.Or(l.First, pageSize)
	for first := true; ; first = false {
		page, err := a.page(ctx, c, at, size)
		if err != nil {
			return err
		}
		last := l.First != 0 || !page.HasMore
		if a.showPage(page, first, last); last || a.results.failed != nil {
			return a.results.failed
		}
		at = page.Cursor
	}
}

func (a *app) page(ctx context.Context, c *client.Client, since client.Cursor, size int) (client.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	return c.Changes(ctx, since, size)
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
	table := newTable(a.out)
	if first && len(page.Records) > 0 {
		_, _ = fmt.Fprintln(table, "REVISION\tID\tUPDATED\tDATA")
	}
	for _, r := range page.Records {
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", r.Revision, r.ID, localTime(r.UpdatedAt), summary(r))
	}
	_ = table.Flush()
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
	Since string `help:"Where to begin: a cursor, a revision, or 0 for the beginning. Default: now."`
}

// Help is shown by syncctl listen --help.
func (*listenCommand) Help() string {
	return `Examples:
  syncctl listen
  syncctl listen --since 0
  syncctl listen --json --since "$(cat cursor)" | while read -r event; do ...; done

It connects again by itself after a lost connection, without a hole. Each JSON event has the cursor to go on from.
An interrupt (Ctrl-C) ends it with exit code 0.`
}

func (l *listenCommand) Run(ctx context.Context, a *app) error {
	c, err := a.client(slog.LevelInfo)
	if err != nil {
		return err
	}
	at := client.Now
	switch l.Since {
	case "":
	case "0":
		at = client.Beginning
	default:
		at = client.Cursor(l.Since)
	}
	for e, err := range c.Follow(ctx, at) {
		switch {
		case err != nil && ctx.Err() != nil:
			a.resumeHint(at)
			return nil
		case err != nil:
			return err
		}
		if a.showEvent(e); a.results.failed != nil {
			return nil // run tells
		}
		at = e.Cursor
	}
	return nil
}

func (a *app) resumeHint(at client.Cursor) {
	if !a.JSON && at != client.Now && at != client.Beginning {
		a.notef("\ngo on with: syncctl listen --since %s\n", at)
	}
}

func (a *app) showEvent(e client.Event) {
	switch {
	case a.JSON:
		out := eventJSON{Kind: string(e.Kind), Cursor: string(e.Cursor)}
		if e.Kind == client.Changed {
			out.Record = newRecordJSON(e.Record)
		}
		a.printJSON(out)
	case e.Kind == client.CaughtUp:
		a.notef("-- live --\n")
	default:
		a.printf("%8d  %-20s  %s\n", e.Record.Revision, e.Record.ID, summary(e.Record))
	}
}

type eventJSON struct {
	Kind   string      `json:"kind"`
	Cursor string      `json:"cursor"`
	Record *recordJSON `json:"record"`
}
