package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"syncline/client"
)

// fence is LOCK=TOKEN.
type fence client.Fence

// UnmarshalText reads LOCK=TOKEN.
func (f *fence) UnmarshalText(text []byte) error {
	at := strings.LastIndexByte(string(text), '=')
	if at < 1 {
		return errors.New("a fence is LOCK=TOKEN")
	}
	token, err := strconv.ParseInt(string(text[at+1:]), 10, 64)
	if err != nil || token < 1 {
		return errors.New("a fence is LOCK=TOKEN, and the token a number above 0")
	}
	*f = fence{Lock: string(text[:at]), Token: client.FenceToken(token)}
	return nil
}

// writeFlags are those of set and delete.
type writeFlags struct {
	LastSeen   bool   `xor:"seen" help:"Read the record first and write over what is there."`
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

type setCommand struct {
	ID   string  `arg:"" help:"The record's id."`
	Data *string `arg:"" optional:"" help:"The data; @FILE, or - for standard input."`
	File string  `type:"existingfile" help:"The file with the data."`

	Revision      int64  `xor:"seen" help:"The revision you last saw of the record; 0 creates it."`
	SchemaVersion string `name:"schema-version" help:"What you call the format of the data."`
	writeFlags
}

// Help is shown by syncctl set --help.
func (*setCommand) Help() string {
	return `Examples:
  syncctl set greeting hello                  create it
  syncctl set greeting "hello, world" --revision 7
  syncctl set photo @photo.jpg --last-seen    create it, or write over what is there
  date | syncctl set now - --last-seen

If the record has another revision, nothing is written, the present record is printed and the exit code is 3.`
}

func (s *setCommand) Run(ctx context.Context, a *app) error {
	data, err := s.data(a)
	if err != nil {
		return err
	}
	return a.call(ctx, func(ctx context.Context, c *client.Client) error {
		seen := client.Revision(s.Revision)
		if s.LastSeen {
			if seen, err = lastSeen(ctx, c, s.ID); err != nil && !errors.Is(err, client.ErrNotFound) {
				return err
			}
		}
		opts := append(s.options(), client.WithSchemaVersion(s.SchemaVersion))
		w, err := c.Set(ctx, s.ID, data, seen, opts...)
		return a.showWritten(s.ID, "is at", w, err)
	})
}

func (s *setCommand) data(a *app) ([]byte, error) {
	switch {
	case (s.File != "") == (s.Data != nil):
		return nil, usagef("give the data as an argument, as @FILE, as - or by --file")
	case s.File != "":
		return os.ReadFile(s.File)
	default:
		return a.argument(*s.Data)
	}
}

func lastSeen(ctx context.Context, c *client.Client, id string) (client.Revision, error) {
	r, err := c.Get(ctx, id)
	return r.Revision, err
}

func (a *app) showWritten(id, what string, w client.Written, err error) error {
	switch {
	case err != nil:
		return err
	case a.JSON:
		out := writtenJSON{Status: "SUCCESS", NewRevision: int64(w.Revision), Replayed: w.Replayed}
		if w.Record != nil {
			out.Record = newRecordJSON(*w.Record)
		}
		a.printJSON(out)
	case w.Replayed:
		a.printf("%s %s revision %d since an earlier try\n", id, what, w.Revision)
	default:
		a.printf("%s %s revision %d\n", id, what, w.Revision)
	}
	return nil
}

type writtenJSON struct {
	Status      string      `json:"status"`
	NewRevision int64       `json:"newRevision"`
	Replayed    bool        `json:"replayed"`
	Record      *recordJSON `json:"record"`
}

type deleteCommand struct {
	ID       string `arg:"" help:"The record's id."`
	Revision int64  `xor:"seen" help:"The revision you last saw of the record."`
	writeFlags
}

// Help is shown by syncctl delete --help.
func (*deleteCommand) Help() string {
	return `Examples:
  syncctl delete greeting --revision 7
  syncctl delete greeting --last-seen`
}

func (d *deleteCommand) Run(ctx context.Context, a *app) error {
	if d.Revision == 0 && !d.LastSeen {
		return usagef("give --revision or --last-seen")
	}
	return a.call(ctx, func(ctx context.Context, c *client.Client) error {
		seen := client.Revision(d.Revision)
		if d.LastSeen {
			var err error
			if seen, err = lastSeen(ctx, c, d.ID); err != nil {
				return err
			}
		}
		w, err := c.Delete(ctx, d.ID, seen, d.options()...)
		return a.showWritten(d.ID, "was deleted at", w, err)
	})
}

type getCommand struct {
	IDs []string `arg:"" name:"id" help:"The ids of records."`
	Raw bool     `help:"Print the data alone, byte by byte."`
}

// Help is shown by syncctl get --help.
func (*getCommand) Help() string {
	return `Examples:
  syncctl get greeting
  syncctl get --raw photo > photo.jpg
  syncctl get --json greeting | jq -r .data | base64 -d

The exit code is 7 if any of them was never written; with --raw also if it was deleted.`
}

func (g *getCommand) Run(ctx context.Context, a *app) error {
	return a.call(ctx, func(ctx context.Context, c *client.Client) error {
		records, err := c.GetMany(ctx, g.IDs...)
		if err != nil {
			return err
		}
		var missing []error
		for i, r := range records {
			switch {
			case r == nil || g.Raw && r.Deleted:
				missing = append(missing, fmt.Errorf("%w: %s", client.ErrNotFound, g.IDs[i]))
			case g.Raw:
				_, _ = a.out.Write(r.Data)
			case a.JSON:
				a.printJSON(newRecordJSON(*r))
			default:
				if i > 0 {
					a.printf("\n")
				}
				a.showRecord(*r)
			}
		}
		return errors.Join(missing...)
	})
}
