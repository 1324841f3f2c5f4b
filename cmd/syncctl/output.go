package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"syncline/client"
)

// recordJSON is a record as the API shows it.
type recordJSON struct {
	ID            string  `json:"id"`
	Data          []byte  `json:"data"` // base64; null in a tombstone
	Revision      int64   `json:"revision"`
	SchemaVersion string  `json:"schemaVersion"`
	Deleted       bool    `json:"deleted"`
	ClientID      *string `json:"clientId"`
	UpdatedAt     string  `json:"updatedAt"`
}

func newRecordJSON(r client.Record) *recordJSON {
	out := &recordJSON{
		ID: r.ID, Data: r.Data, Revision: int64(r.Revision), SchemaVersion: r.SchemaVersion,
		Deleted: r.Deleted, UpdatedAt: r.UpdatedAt.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	if r.ClientID != "" {
		out.ClientID = &r.ClientID
	}
	return out
}

// printJSON prints one object on a line.
func (a *app) printJSON(v any) {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // what goes wrong shows in the end
}

// showRecord prints all of a record.
func (a *app) showRecord(r client.Record) {
	fields := [][2]string{{"id", r.ID}, {"revision", fmt.Sprint(r.Revision)}}
	if r.SchemaVersion != "" {
		fields = append(fields, [2]string{"schema", r.SchemaVersion})
	}
	if r.ClientID != "" {
		fields = append(fields, [2]string{"client", r.ClientID})
	}
	fields = append(fields, [2]string{"updated", localTime(r.UpdatedAt)})
	switch {
	case r.Deleted:
		fields = append(fields, [2]string{"deleted", "yes"})
	case isText(r.Data):
		fields = append(fields, [2]string{"data", string(r.Data)})
	default:
		fields = append(fields, [2]string{"size", size(len(r.Data))}, [2]string{"base64", base64.StdEncoding.EncodeToString(r.Data)})
	}
	a.showFields(fields)
}

// showFields prints names and values in two columns.
func (a *app) showFields(fields [][2]string) {
	for _, f := range fields {
		value := strings.ReplaceAll(f[1], "\n", "\n          ")
		a.printf("%-9s %s\n", f[0], value)
	}
}

// maxSummary is how much of a record's data a list shows.
const maxSummary = 60

// summary is data on one line of a list.
func summary(r client.Record) string {
	switch {
	case r.Deleted:
		return "(deleted)"
	case len(r.Data) == 0:
		return "(empty)"
	case !isText(r.Data):
		return fmt.Sprintf("(%s) %s", size(len(r.Data)), shorten(base64.StdEncoding.EncodeToString(r.Data), maxSummary/2))
	default:
		return shorten(strings.NewReplacer("\n", "⏎", "\t", " ").Replace(string(r.Data)), maxSummary)
	}
}

func shorten(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return string(runes[:limit-1]) + "…"
}

// isText tells whether data can be shown on a terminal as it is: control
// characters could do anything there.
func isText(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, r := range string(data) {
		const joiner = '\u200d' // of composed emoji
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != joiner {
			return false
		}
	}
	return true
}

func size(n int) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/1024)
}

func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// newTable aligns columns that are separated by tabs, once it is flushed.
func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// showLock prints a lock's state.
func (a *app) showLock(l client.Lock) {
	switch {
	case !l.Locked:
		a.printf("%s is free\n", l.Name)
		return
	case l.Exclusive:
		a.printf("%s is locked\n", l.Name)
	default:
		a.printf("%s is locked, shared\n", l.Name)
	}
	table := newTable(a.out)
	_, _ = fmt.Fprintln(table, "INSTANCE\tTOKEN\tUNTIL")
	for _, h := range l.Holders {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\n", h.InstanceID, h.Token, localTime(h.ExpiresAt))
	}
	_ = table.Flush()
}
