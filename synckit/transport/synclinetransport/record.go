package synclinetransport

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"syncline/client"
	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/transport/internal/wire"
)

// schemaVersion tells events from an owner's other records. Another version of
// the schema is of a newer release: its events are met, but cannot be read.
const (
	schema        = "synckit/"
	schemaVersion = schema + "1"
)

// maxIDBytes is the service's limit of a record's id.
const maxIDBytes = 64

// recordID follows from an event's id: the same where the service takes it, else
// a hash. The prefixes keep the two apart, and apart from other records.
func recordID(eventID string) string {
	id := "e/" + eventID
	if len(id) <= maxIDBytes && !strings.ContainsFunc(id, unicode.IsControl) {
		return id
	}
	sum := sha256.Sum256([]byte(eventID))
	return "h/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// isEvent tells whether a record is an event. One that was deleted is none any more.
func isEvent(r client.Record) bool {
	return strings.HasPrefix(r.SchemaVersion, schema) && !r.Deleted
}

// encodeRecord is the write that makes an event a record. A position in another
// log is no version worth keeping.
func encodeRecord(e wire.Event) (client.Write, error) {
	data, err := json.Marshal(e)
	return client.Write{ID: recordID(e.Event.ID), Data: data, SchemaVersion: schemaVersion}, err
}

var errForeign = stderrors.New("the record is not as this package writes it")

func decodeEvent(r client.Record) (wire.Event, error) {
	if r.SchemaVersion != schemaVersion {
		return wire.Event{}, fmt.Errorf("its schema is %q, not %q", r.SchemaVersion, schemaVersion)
	}
	var e wire.Event
	err := json.Unmarshal(r.Data, &e)
	if err == nil && recordID(e.Event.ID) != r.ID {
		err = errForeign
	}
	return e, err
}

// decodeRecord reads an event. Its error names the record; where only the version
// cannot be read, the event comes with it.
func decodeRecord(ctx context.Context, r client.Record, parse wire.VersionParser) (synckit.EventWithVersion, error) {
	encoded, err := decodeEvent(r)
	var e synckit.EventWithVersion
	if err == nil {
		e, err = encoded.Decode(ctx, parse)
	}
	if err != nil {
		where := errors.Metadata{"record": r.ID, "revision": strconv.FormatInt(int64(r.Revision), 10)}
		err = fmt.Errorf("record %q at revision %d: %w", r.ID, r.Revision, err)
		return e, errors.New(cmp.Or(errors.CodeOf(err), errors.InvalidEvent), "read record", err, where)
	}
	if e.Version == nil {
		e.Version = cursor.IntegerCursor{Seq: uint64(r.Revision)}
	}
	return e, nil
}
