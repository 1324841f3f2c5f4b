package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"syncline/client"
)

const logWarnings = slog.LevelWarn

// writeFlags are those of all writes.
type writeFlags struct {
	MutationID string `name:"mutation-id" help:"A unique id that makes it safe to run the same command again."`
	Fence      *fence `env:"SYNCLINE_FENCE" placeholder:"LOCK=TOKEN" help:"Write only if the lock was not granted anew. Set by syncctl lock -- COMMAND."`
}

func (f writeFlags) options() []client.WriteOption {
	var opts []client.WriteOption
	if f.MutationID != "" {
		opts = append(opts, client.WithMutationID(f.MutationID))
	}
	if f.Fence != nil {
		opts = append(opts, client.WithFence(client.Fence(*f.Fence)))
	}
	return opts
}

var errUnrepeatable = usagef("--mutation-id needs --revision: what --last-seen finds differs from run to run, and the same id stands for the same write only")

type setCommand struct {
	ID   string  `arg:"" help:"The record's id."`
	Data *string `arg:"" optional:"" type:"bytes" help:"The data; @FILE, or - for standard input; @@ for data that begins with one @."`
	File string  `type:"path" placeholder:"FILE" help:"The file with the data."`

	Revision      int64  `xor:"seen" help:"The revision you last saw of the record; 0 creates it."`
	LastSeen      bool   `xor:"seen" help:"Read the record first and write over what is there."`
	SchemaVersion string `name:"schema-version" help:"What you call the format of the data."`
	writeFlags
	encryption
}

// Help is shown by syncctl set --help.
func (*setCommand) Help() string {
	return `Examples:
  syncctl set greeting hello                  create it
  syncctl set greeting "hello, world" --revision 7
  syncctl set photo @photo.jpg --last-seen    create it, or write over what is there
  syncctl set handle @@ada                    store @ada
  date | syncctl set now - --last-seen
  syncctl set diary @today.txt --encrypt      the server cannot read it

If the record has another revision, nothing is written, the present record is printed and the exit code is 3.`
}

func (s *setCommand) Run(ctx context.Context, a *app) error {
	switch {
	case s.LastSeen && s.MutationID != "":
		return errUnrepeatable
	case s.Encrypt && s.MutationID != "":
		return usagef("--mutation-id cannot be given with --encrypt: what is encrypted twice differs, and the same id stands for the same write only")
	}
	data, err := s.data(ctx, a)
	if err != nil {
		return err
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	seen := client.Revision(s.Revision)
	if s.LastSeen {
		if seen, err = lastSeen(ctx, c, s.ID); err != nil && !errors.Is(err, client.ErrNotFound) {
			return err
		}
	}
	b, err := s.box(ctx, a)
	if err != nil {
		return err
	}
	if data, err = b.seal(s.ID, s.SchemaVersion, data, seen); err != nil {
		return err
	}
	w, err := b.outcome(c.Set(ctx, s.ID, data, seen, append(s.options(), client.WithSchemaVersion(s.SchemaVersion))...))
	if err != nil {
		return err
	}
	a.showWritten(s.ID, "is at", w)
	return nil
}

func (s *setCommand) data(ctx context.Context, a *app) ([]byte, error) {
	switch {
	case (s.File != "") == (s.Data != nil):
		return nil, usagef("give the data as an argument, as @FILE, as - or by --file")
	case s.File != "":
		return readFile(ctx, s.File)
	default:
		return a.content(ctx, *s.Data)
	}
}

func lastSeen(ctx context.Context, c *client.Client, id string) (client.Revision, error) {
	r, err := c.Get(ctx, id)
	return r.Revision, err
}

func (a *app) showWritten(id, what string, w client.Written) {
	switch {
	case a.JSON:
		out := writtenJSON{ID: id, Status: "SUCCESS", NewRevision: int64(w.Revision), Replayed: w.Replayed}
		if w.Record != nil {
			out.Record = newRecordJSON(*w.Record)
		}
		a.printJSON(out)
	case w.Replayed:
		a.printf("%s %s revision %d since an earlier try\n", id, what, w.Revision)
	default:
		a.printf("%s %s revision %d\n", id, what, w.Revision)
	}
}

type writtenJSON struct {
	ID          string      `json:"id"`
	Status      string      `json:"status"`
	NewRevision int64       `json:"newRevision"`
	Replayed    bool        `json:"replayed"`
	Record      *recordJSON `json:"record"`
}

type deleteCommand struct {
	ID       string `arg:"" help:"The record's id."`
	Revision int64  `xor:"seen" help:"The revision you last saw of the record."`
	LastSeen bool   `xor:"seen" help:"Read the record first and delete what is there."`
	writeFlags
}

// Help is shown by syncctl delete --help.
func (*deleteCommand) Help() string {
	return `Examples:
  syncctl delete greeting --revision 7
  syncctl delete greeting --last-seen`
}

func (d *deleteCommand) Run(ctx context.Context, a *app) error {
	switch {
	case d.Revision == 0 && !d.LastSeen:
		return usagef("give --revision or --last-seen")
	case d.LastSeen && d.MutationID != "":
		return errUnrepeatable
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	seen := client.Revision(d.Revision)
	if d.LastSeen {
		if seen, err = lastSeen(ctx, c, d.ID); err != nil {
			return err
		}
	}
	w, err := c.Delete(ctx, d.ID, seen, d.options()...)
	if err != nil {
		return err
	}
	a.showWritten(d.ID, "was deleted at", w)
	return nil
}

type getCommand struct {
	IDs []string `arg:"" name:"id" help:"The ids of records."`
	Raw bool     `help:"Print the data alone, byte by byte."`
	encryption
}

// Help is shown by syncctl get --help.
func (*getCommand) Help() string {
	return `Examples:
  syncctl get greeting
  syncctl get --raw photo > photo.jpg
  syncctl get --json greeting | jq -r .data | base64 -d

More than 100 are read in several requests. The exit code is 7 if any of them was never written; with --raw also if it was deleted.
With --encrypt a record that was not encrypted, or by another key, or that the server changed, is an error and not shown.`
}

// maxIDs is how many records are read at once.
const maxIDs = 100

func (g *getCommand) Run(ctx context.Context, a *app) error {
	if g.Raw && a.JSON {
		return usagef("--raw prints data and --json objects: choose one")
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	b, err := g.box(ctx, a)
	if err != nil {
		return err
	}
	var failed errorList
	for begin := 0; begin < len(g.IDs) && a.results.failed == nil; begin += maxIDs {
		ids := g.IDs[begin:min(begin+maxIDs, len(g.IDs))]
		records, err := c.GetMany(ctx, ids...)
		if err != nil {
			return err
		}
		for i, r := range records {
			if r == nil || g.Raw && r.Deleted {
				failed = append(failed, fmt.Errorf("%w: %s", client.ErrNotFound, ids[i]))
				continue
			}
			opened, err := b.open(*r)
			switch {
			case err != nil:
				failed = append(failed, err)
			case g.Raw:
				_, _ = a.out.Write(opened.Data)
			case a.JSON:
				a.printJSON(newRecordJSON(opened))
			default:
				if begin+i > 0 {
					a.printf("\n")
				}
				a.showRecord(opened)
			}
		}
	}
	if len(failed) > 0 {
		return failed
	}
	return nil
}

type listCommand struct {
	Prefix string `arg:"" optional:"" help:"What the ids begin with; all records without it."`
	IDs    bool   `name:"ids" help:"Print the ids alone, one a line."`
}

// Help is shown by syncctl list --help.
func (*listCommand) Help() string {
	return `Examples:
  syncctl list notes/
  syncctl list --ids notes/ | while read -r id; do ...; done
  syncctl list --json | jq -r .id

It reads the whole feed and shows what is alive, in the order of the ids.`
}

func (l *listCommand) Run(ctx context.Context, a *app) error {
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	records, err := c.List(ctx, l.Prefix)
	if err != nil {
		return err
	}
	rows := [][]string{{"ID", "REVISION", "UPDATED", "DATA"}}
	for _, r := range records {
		switch {
		case a.JSON:
			a.printJSON(newRecordJSON(r))
		case l.IDs:
			a.printf("%s\n", r.ID)
		default:
			rows = append(rows, []string{r.ID, fmt.Sprint(r.Revision), localTime(r.UpdatedAt), summary(r)})
		}
	}
	if len(rows) > 1 {
		a.showTable(rows)
	}
	return nil
}
