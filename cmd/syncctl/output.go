package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"syncline/client"
	"syncline/cmd/syncctl/internal/terminal"
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

// printf writes to standard output. What goes wrong there shows in the end. Its
// arguments are made fit for a terminal: they may be others' text.
func (a *app) printf(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format, safe(args)...) }

// notef writes to standard error what is not a result.
func (a *app) notef(format string, args ...any) { _, _ = fmt.Fprintf(a.err, format, safe(args)...) }

func safe(args []any) []any {
	shown := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case error:
			shown[i] = terminal.Line(v.Error())
		case fmt.Stringer:
			shown[i] = terminal.Line(v.String())
		default:
			shown[i] = arg
			if text := reflect.ValueOf(arg); text.Kind() == reflect.String {
				shown[i] = terminal.Line(text.String())
			}
		}
	}
	return shown
}

// printJSON prints one object on a line.
func (a *app) printJSON(v any) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) == nil { // structs of ours can be encoded
		_, _ = a.out.Write(terminal.JSON(line.Bytes())) // what goes wrong shows in the end
	}
}

// showRecord prints all of a record.
func (a *app) showRecord(r client.Record) {
	fields := [][2]string{{"id", terminal.Line(r.ID)}, {"revision", fmt.Sprint(r.Revision)}}
	if r.SchemaVersion != "" {
		fields = append(fields, [2]string{"schema", terminal.Line(r.SchemaVersion)})
	}
	if r.ClientID != "" {
		fields = append(fields, [2]string{"client", terminal.Line(r.ClientID)})
	}
	fields = append(fields, [2]string{"updated", localTime(r.UpdatedAt)})
	switch {
	case r.Deleted:
		fields = append(fields, [2]string{"deleted", "yes"})
	case terminal.IsText(r.Data):
		fields = append(fields, [2]string{"data", string(r.Data)})
	default:
		fields = append(fields, [2]string{"size", size(len(r.Data))}, [2]string{"base64", base64.StdEncoding.EncodeToString(r.Data)})
	}
	a.showFields(fields)
}

// showFields prints names and values in two columns. Values may have lines of
// their own.
func (a *app) showFields(fields [][2]string) {
	for _, f := range fields {
		name := f[0]
		for line := range strings.SplitSeq(terminal.Text(f[1]), "\n") {
			a.printf("%-9s ", name)
			_, _ = fmt.Fprintln(a.out, line) // with its tabs
			name = ""
		}
	}
}

// maxSummary is how many cells of a record's data a list shows.
const maxSummary = 60

// summary is data on one line of a list.
func summary(r client.Record) string {
	switch {
	case r.Deleted:
		return "(deleted)"
	case len(r.Data) == 0:
		return "(empty)"
	case !terminal.IsText(r.Data):
		return fmt.Sprintf("(%s) %s", size(len(r.Data)), terminal.Shorten(base64.StdEncoding.EncodeToString(r.Data), maxSummary/2))
	default:
		line := strings.NewReplacer("\r\n", "⏎", "\n", "⏎", "\t", " ").Replace(string(r.Data[:min(len(r.Data), 16*maxSummary)]))
		return terminal.Shorten(terminal.Line(strings.ToValidUTF8(line, "")), maxSummary)
	}
}

func size(n int) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/1024)
}

func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// showTable prints rows in columns, two spaces apart. The first is the heading.
func (a *app) showTable(rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			row[i] = terminal.Line(cell)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], terminal.Width(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i == len(row)-1 {
				line.WriteString(cell)
				break
			}
			line.WriteString(terminal.Pad(cell, widths[i]) + "  ")
		}
		a.printf("%s\n", line.String())
	}
}

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
	rows := [][]string{{"INSTANCE", "TOKEN", "UNTIL"}}
	for _, h := range l.Holders {
		rows = append(rows, []string{h.InstanceID, fmt.Sprint(h.Token), localTime(h.ExpiresAt)})
	}
	a.showTable(rows)
}
