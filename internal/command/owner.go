package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"syncline/internal/config"
	"syncline/pubsub"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/owners"
	"syncline/storage/records"
	"syncline/storage/retention"
)

// ownerCommand are the commands about an owner's data as a whole.
type ownerCommand struct {
	List   ownerListCommand   `cmd:"" help:"List owners, those with the most data first."`
	Show   ownerShowCommand   `cmd:"" help:"Show what an owner has."`
	Create ownerCreateCommand `cmd:"" help:"Make an account for an owner who never wrote."`
	Quota  ownerQuotaCommand  `cmd:"" help:"Set an owner's own quota."`
	Erase  ownerEraseCommand  `cmd:"" help:"Erase all data of an owner, for good."`
	Export ownerExportCommand `cmd:"" help:"Write an owner's data as lines of JSON."`
	Import ownerImportCommand `cmd:"" help:"Make an owner from an export."`
}

// Help is shown by syncline owner --help.
func (*ownerCommand) Help() string {
	return `An owner is named by its public key, 66 characters, as syncctl whoami shows it.

On PostgreSQL these commands work beside running servers. An SQLite database belongs to one process: stop the server first.`
}

// owner is an owner on the command line.
type owner record.Owner

// UnmarshalText reads a public key.
func (o *owner) UnmarshalText(text []byte) error {
	parsed, err := pubsub.ParseOwner(string(text))
	*o = owner(parsed)
	return err
}

func (o owner) String() string { return record.Owner(o).String() }

type ownerListCommand struct {
	Sort       owners.Order  `enum:"bytes,records,written,owner" default:"bytes" help:"bytes, records, written (the newest first) or owner."`
	MinBytes   config.Size   `placeholder:"SIZE" help:"Only those with so much data or more, such as 10MiB."`
	MinRecords int64         `placeholder:"N" help:"Only those with so many records or more."`
	Idle       time.Duration `placeholder:"TIME" help:"Only those who have not written for so long, such as 2160h."`
	Limit      int           `default:"50" help:"How many at most; 0 for all."`
	JSON       bool          `help:"A line of JSON for each."`
}

func (c *ownerListCommand) Run(ctx context.Context, l *line) error {
	if c.Limit < 0 || c.MinRecords < 0 || c.Idle < 0 {
		return usageError{errors.New("--limit, --min-records and --idle must not be negative")}
	}
	filter := owners.Filter{Order: c.Sort, MinBytes: int64(c.MinBytes), MinRecords: c.MinRecords, Most: c.Limit}
	if c.Idle > 0 {
		filter.WrittenBefore = time.Now().Add(-c.Idle)
	}
	return l.withExisting(ctx, func(_ config.Config, db *storage.DB) error {
		if !c.JSON {
			if err := l.printf("%-66s %12s %10s  %s\n", "owner", "bytes", "records", "last written"); err != nil {
				return err
			}
		}
		return owners.List(ctx, db, filter, func(a owners.Account) error {
			if c.JSON {
				return l.printJSON(accountJSON(a))
			}
			return l.printf("%s %12d %10d  %s\n", a.Owner, a.Bytes, a.Records, moment(a.Written))
		})
	})
}

type ownerShowCommand struct {
	Owner owner `arg:"" help:"The owner's public key."`
	JSON  bool  `help:"One line of JSON."`
}

func (c *ownerShowCommand) Run(ctx context.Context, l *line) error {
	return l.withExisting(ctx, func(cfg config.Config, db *storage.DB) error {
		a, err := owners.Find(ctx, db, record.Owner(c.Owner))
		if err != nil {
			return err
		}
		if c.JSON {
			return l.printJSON(accountJSON(a))
		}
		return l.printf("owner         %s\nrecords       %d of %s\nbytes         %d of %s\ntombstones    %d\nhead          %d\nfloor         %d\ncreated       %s\nlast written  %s\n",
			a.Owner, a.Records, bound(a.Quota.Records, int64(cfg.QuotaRecords)), a.Bytes, bound(a.Quota.Bytes, int64(cfg.QuotaBytes)),
			a.Tombstones, a.Head, a.Floor, moment(a.Created), moment(a.Written))
	})
}

// bound says what an owner may have, and whether that is its own quota or all owners'.
func bound(own, all int64) string {
	switch {
	case own == record.Unbounded:
		return "any number, by a quota of its own"
	case own > 0:
		return fmt.Sprintf("%d, by a quota of its own", own)
	case all > 0:
		return fmt.Sprint(all)
	}
	return "any number"
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// accountJSON is what --json shows. What is not known, or not set, is left out.
func accountJSON(a owners.Account) any {
	return struct {
		Owner         string    `json:"owner"`
		Records       int64     `json:"records"`
		Bytes         int64     `json:"bytes"`
		Tombstones    int64     `json:"tombstones"`
		MutationBytes int64     `json:"mutationBytes"`
		Head          int64     `json:"head"`
		Floor         int64     `json:"floor"`
		QuotaRecords  int64     `json:"quotaRecords,omitempty"`
		QuotaBytes    int64     `json:"quotaBytes,omitempty"`
		Created       time.Time `json:"created,omitzero"`
		Written       time.Time `json:"written,omitzero"`
	}{
		a.Owner.String(), a.Records, a.Bytes, a.Tombstones, a.MutationBytes, int64(a.Head), int64(a.Floor),
		a.Quota.Records, a.Quota.Bytes, a.Created, a.Written,
	}
}

// printAccount shows an owner's account as it is now.
func (l *line) printAccount(ctx context.Context, db *storage.DB, of owner) error {
	a, err := owners.Find(ctx, db, record.Owner(of))
	if err != nil {
		return err
	}
	return l.printJSON(accountJSON(a))
}

func (l *line) printJSON(v any) error {
	if err := json.NewEncoder(l.Stdout).Encode(v); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

type ownerCreateCommand struct {
	Owner owner `arg:"" help:"The owner's public key."`
	JSON  bool  `help:"The account as one line of JSON."`
}

// Help is shown by syncline owner create --help.
func (*ownerCreateCommand) Help() string {
	return `Who has an account may write where new owners may not (NEW_OWNERS). An account that is there already stays as it is.`
}

func (c *ownerCreateCommand) Run(ctx context.Context, l *line) error {
	return l.withExisting(ctx, func(_ config.Config, db *storage.DB) error {
		if err := db.CreateOwner(ctx, record.Owner(c.Owner), time.Now()); err != nil {
			return err
		}
		if c.JSON {
			return l.printAccount(ctx, db, c.Owner)
		}
		return l.printf("%s has an account\n", c.Owner)
	})
}

type ownerQuotaCommand struct {
	Owner   owner  `arg:"" help:"The owner's public key."`
	Records string `placeholder:"N" help:"How many records: a number, none for no bound, or default for the server's."`
	Bytes   string `placeholder:"SIZE" help:"How much data: such as 1GiB, none for no bound, or default for the server's."`
	JSON    bool   `help:"The account as one line of JSON."`
}

// Help is shown by syncline owner quota --help.
func (*ownerQuotaCommand) Help() string {
	return `What is not given stays as it is. Servers go by it from the owner's next write on. An owner who has more than that may only delete and shrink.`
}

func (c *ownerQuotaCommand) Run(ctx context.Context, l *line) error {
	if c.Records == "" && c.Bytes == "" {
		return usageError{errors.New("name --records, --bytes or both")}
	}
	return l.withExisting(ctx, func(cfg config.Config, db *storage.DB) error {
		a, err := owners.Find(ctx, db, record.Owner(c.Owner))
		if err != nil {
			return err
		}
		own := a.Quota
		if err := setBound(&own.Records, c.Records, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 53) }); err != nil {
			return usageError{fmt.Errorf("--records: %w", err)}
		}
		err = setBound(&own.Bytes, c.Bytes, func(s string) (int64, error) {
			var size config.Size
			err := size.UnmarshalText([]byte(s))
			return int64(size), err
		})
		if err != nil {
			return usageError{fmt.Errorf("--bytes: %w", err)}
		}
		if _, err := db.SetQuota(ctx, a.Owner, own); err != nil {
			return err
		}
		if c.JSON {
			return l.printAccount(ctx, db, c.Owner)
		}
		return l.printf("records: %d of %s\nbytes: %d of %s\n", a.Records, bound(own.Records, int64(cfg.QuotaRecords)), a.Bytes, bound(own.Bytes, int64(cfg.QuotaBytes)))
	})
}

func setBound(to *int64, text string, parse func(string) (int64, error)) error {
	switch text {
	case "":
	case "none":
		*to = record.Unbounded
	case "default":
		*to = 0
	default:
		n, err := parse(text)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is neither a number from 1, nor none, nor default", text)
		}
		*to = n
	}
	return nil
}

type ownerEraseCommand struct {
	Owner owner `arg:"" help:"The owner's public key."`
	Yes   bool  `help:"Do it. Without, what would be erased is told."`
	JSON  bool  `help:"A line of JSON when nobody sees the data any more, and another when it is removed."`
}

// Help is shown by syncline owner erase --help.
func (*ownerEraseCommand) Help() string {
	return `It does what the mutation eraseAccount does: nobody sees anything of the owner's data from then on, and then it is removed. If that is interrupted, a server goes on with it. The owner may write again; NEW_OWNERS does not keep out who once was here. Backups still have the data.`
}

func (c *ownerEraseCommand) Run(ctx context.Context, l *line) error {
	return l.withExisting(ctx, func(_ config.Config, db *storage.DB) (err error) {
		a, err := owners.Find(ctx, db, record.Owner(c.Owner))
		if err != nil {
			return err
		}
		if !c.Yes {
			return fmt.Errorf("this erases %d records and %d bytes of %s, for good: --yes does it", a.Records, a.Bytes, a.Owner)
		}
		engine := db.NewEngine()
		defer engine.Close(context.WithoutCancel(ctx))
		erasure, _, err := records.New(db, engine).Erase(ctx, a.Owner, nil)
		if err != nil {
			return err
		}
		if err := c.say(l, "erased", erasure.Records, "erased %d records: nobody sees them any more\n"); err != nil {
			return err
		}
		l.tell("removing them from the database")
		sweeper := retention.New(db.Read, engine, retention.Config{}, time.Now, slog.New(slog.DiscardHandler))
		removed, nowAndThen := 0, l.nowAndThen()
		sweeper.OnErased(func(n int) {
			removed += n
			nowAndThen("removed %d records, tombstones and mutation ids", removed)
		})
		swept, err := sweeper.Sweep(ctx)
		if err != nil {
			return fmt.Errorf("%w; a server goes on with it when it starts", err)
		}
		return c.say(l, "removed", int64(swept.Erased), "removed %d records, tombstones and mutation ids\n")
	})
}

// say tells of a step that is done.
func (c *ownerEraseCommand) say(l *line, step string, rows int64, format string) error {
	if c.JSON {
		return l.printJSON(map[string]any{"owner": c.Owner.String(), step: rows})
	}
	return l.printf(format, rows)
}

// tell says on standard error what is going on.
func (l *line) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(l.Stderr, format+"\n", args...)
}

// nowAndThen tells of what takes long, once a second at most.
func (l *line) nowAndThen() func(format string, args ...any) {
	last := time.Now()
	return func(format string, args ...any) {
		if time.Since(last) > time.Second {
			last = time.Now()
			l.tell(format, args...)
		}
	}
}

// progress tells of a long copy.
func (l *line) progress(verb string) func(owners.Counts) {
	tell := l.nowAndThen()
	return func(c owners.Counts) { tell("%s %d records and %d tombstones", verb, c.Records, c.Tombstones) }
}

type ownerExportCommand struct {
	Owner owner `arg:"" help:"The owner's public key."`
}

// Help is shown by syncline owner export --help.
func (*ownerExportCommand) Help() string {
	return `All records and tombstones with their revisions, as they are at one instant. Locks and mutation ids are left out.

Example:
  syncline owner export 02ab... >owner.jsonl`
}

func (c *ownerExportCommand) Run(ctx context.Context, l *line) error {
	return l.withExisting(ctx, func(_ config.Config, db *storage.DB) error {
		counts, err := owners.Export(ctx, db, record.Owner(c.Owner), l.Stdout, time.Now(), l.progress("exported"))
		if err != nil {
			return err
		}
		l.tell("exported %d records and %d tombstones, %d bytes of data", counts.Records, counts.Tombstones, counts.Bytes)
		return nil
	})
}

type ownerImportCommand struct {
	File string `arg:"" type:"path" help:"The export; - for standard input."`
	As   *owner `placeholder:"OWNER" help:"Who gets the data, in place of the owner that it is of."`
	JSON bool   `help:"What was imported as one line of JSON."`
}

// Help is shown by syncline owner import --help.
func (*ownerImportCommand) Help() string {
	return `All of it is imported, with its revisions, or nothing. An owner who has written here before is refused.`
}

func (c *ownerImportCommand) Run(ctx context.Context, l *line) error {
	from := io.Reader(os.Stdin)
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // it was only read
		from = file
	}
	return l.withExisting(ctx, func(_ config.Config, db *storage.DB) error {
		who, counts, err := owners.Import(ctx, db, (*record.Owner)(c.As), from, time.Now(), l.progress("imported"))
		if err != nil {
			return err
		}
		if c.JSON {
			return l.printJSON(struct {
				Owner string `json:"owner"`
				owners.Counts
			}{who.String(), counts})
		}
		return l.printf("imported %d records and %d tombstones of %s, %d bytes of data\n", counts.Records, counts.Tombstones, who, counts.Bytes)
	})
}
