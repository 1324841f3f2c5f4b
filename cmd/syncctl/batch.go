package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"syncline/client"
)

type writeCommand struct {
	From     string `arg:"" optional:"" default:"-" type:"path" help:"The file to read; standard input by default."`
	LastSeen bool   `help:"Read the records without a revision first and write over what is there."`
	writeFlags
}

// Help is shown by syncctl write --help.
func (*writeCommand) Help() string {
	return `Examples:
  syncctl write <<'END'
  {"id": "from", "text": "70", "revision": 3}
  {"id": "to", "text": "30"}
  {"id": "draft", "deleted": true, "revision": 9}
  END
  syncctl list --json notes/ | jq -c '.schemaVersion = "2"' | syncctl write

Each line is one write: id, and text or data (base64), revision (0, which creates, if there is none), schemaVersion; or id, deleted
and revision. What get, list and changes print with --json can be written again. All are written, up to 100 of them, or none:
if any record has another revision, each that does is printed, and the exit code is 3.`
}

// writeJSON is one line. The last ones are what get and changes print beside.
type writeJSON struct {
	ID            string           `json:"id"`
	Text          *string          `json:"text"`
	Data          []byte           `json:"data"`
	Revision      *client.Revision `json:"revision"`
	SchemaVersion string           `json:"schemaVersion"`
	Deleted       bool             `json:"deleted"`

	ClientID  json.RawMessage `json:"clientId"`
	UpdatedAt json.RawMessage `json:"updatedAt"`

	// The last line of changes.
	Cursor  *string         `json:"cursor"`
	HasMore json.RawMessage `json:"hasMore"`
	Head    json.RawMessage `json:"head"`
}

func (w *writeCommand) Run(ctx context.Context, a *app) error {
	if w.LastSeen && w.MutationID != "" {
		return errUnrepeatable
	}
	var content []byte
	var err error
	if w.From == "-" {
		content, err = a.readInput(ctx)
	} else {
		content, err = readFile(ctx, w.From)
	}
	if err != nil {
		return err
	}
	writes, unseen, err := readWrites(content)
	if err != nil {
		return err
	}
	c, err := a.client(ctx, logWarnings)
	if err != nil {
		return err
	}
	if w.LastSeen && len(unseen) > 0 {
		if err := fillInRevisions(ctx, c, writes, unseen); err != nil {
			return err
		}
	}
	written, err := c.Write(ctx, writes, w.options()...)
	if err != nil {
		return err
	}
	for i, done := range written {
		what := "is at"
		if writes[i].Delete {
			what = "was deleted at"
		}
		a.showWritten(writes[i].ID, what, done)
	}
	return nil
}

// readWrites reads the lines of a batch. unseen are the indexes of those that name
// no revision.
func readWrites(content []byte) (writes []client.Write, unseen []int, err error) {
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var in writeJSON
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&in)
		_, more := decoder.Token()
		switch {
		case !isIntact(line):
			err = errors.New("it is not valid UTF-8, or has half of a surrogate pair (\\ud800 to \\udfff): give such bytes as data, which is base64")
		case err != nil:
		case !errors.Is(more, io.EOF):
			err = errors.New("one object a line")
		case in.ID == "" && in.Cursor != nil: // where changes ended
			continue
		case in.ID == "":
			err = errors.New("it has no id")
		case in.Deleted && (in.Text != nil || len(in.Data) > 0):
			err = errors.New("what is deleted has no data")
		case !in.Deleted && (in.Text != nil) == (in.Data != nil):
			err = errors.New("give text, or data, which is base64; null stands for neither")
		}
		if err != nil {
			return nil, nil, usagef("line %d: %w", number, err)
		}
		w := client.Write{ID: in.ID, Data: in.Data, SchemaVersion: in.SchemaVersion, Delete: in.Deleted}
		if in.Text != nil {
			w.Data = []byte(*in.Text)
		}
		if in.Revision != nil {
			w.Revision = *in.Revision
		} else {
			unseen = append(unseen, len(writes))
		}
		writes = append(writes, w)
	}
	if len(writes) == 0 {
		return nil, nil, usagef("there is nothing to write")
	}
	return writes, unseen, nil
}

// isIntact tells whether encoding/json reads a line as it stands, and puts no U+FFFD
// in the place of invalid UTF-8 or of half a surrogate pair.
func isIntact(line []byte) bool {
	for rest := line; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return utf8.Valid(line)
		}
		rest = rest[at:]
		switch r := escaped(rest); {
		case !utf16.IsSurrogate(r):
			rest = rest[min(2, len(rest)):]
		case utf16.DecodeRune(r, escaped(rest[6:])) == utf8.RuneError:
			return false
		default:
			rest = rest[12:]
		}
	}
}

// escaped is the UTF-16 unit that an escape such as \u00e9 at the beginning stands
// for, or -1.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// fillInRevisions sets those of the records that are there.
func fillInRevisions(ctx context.Context, c *client.Client, writes []client.Write, unseen []int) error {
	for begin := 0; begin < len(unseen); begin += maxIDs {
		part := unseen[begin:min(begin+maxIDs, len(unseen))]
		ids := make([]string, len(part))
		for i, at := range part {
			ids[i] = writes[at].ID
		}
		records, err := c.GetMany(ctx, ids...)
		if err != nil {
			return fmt.Errorf("read what is there: %w", err)
		}
		for i, r := range records {
			if r != nil {
				writes[part[i]].Revision = r.Revision
			}
		}
	}
	return nil
}
