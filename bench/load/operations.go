package load

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
)

// The documents, with all fields of a record, as the Go client sends them.
const (
	fields = `{ id data revision schemaVersion deleted clientId updatedAt }`

	setDocument = `mutation SetRecord($input: SetRecordInput!) { setRecord(input: $input) ` +
		`{ status newRevision record ` + fields + ` replayed } }`
	batchDocument = `mutation WriteRecords($input: WriteRecordsInput!) { writeRecords(input: $input) ` +
		`{ status results { status newRevision } replayed } }`
	lockDocument = `mutation SetLock($input: SetLockInput!) { setLock(input: $input) ` +
		`{ status renewed token expiresAt lock { name locked exclusive holders { instanceId token expiresAt } } } }`
	changesDocument = `query Changes($since: Cursor, $first: Int!) { changes(since: $since, first: $first) ` +
		`{ records ` + fields + ` cursor hasMore head } }`
	recordDocument  = `query Record($id: ID!) { record(id: $id) ` + fields + ` }`
	viewerDocument  = `query Viewer { viewer { head cursor recordCount } }`
	changedDocument = `subscription RecordChanged($since: Cursor) { recordChanged(since: $since) ` +
		`{ kind record ` + fields + ` cursor } }`
)

// body is a request's JSON: a document and its variables, themselves JSON.
func body(document, variables string) []byte {
	b := make([]byte, 0, len(document)+len(variables)+32)
	b = append(b, `{"query":"`...)
	b = append(b, document...) // has nothing to escape
	b = append(b, `","variables":`...)
	b = append(b, variables...)
	return append(b, '}')
}

// Set writes a record at the revision that was seen, 0 for a new one.
// mutationID may be empty.
func Set(id string, data []byte, revision int64, mutationID string) []byte {
	input := `{"input":` + set(id, data, revision)
	if mutationID != "" {
		input = input[:len(input)-1] + `,"mutationId":"` + mutationID + `"}`
	}
	return body(setDocument, input+"}")
}

func set(id string, data []byte, revision int64) string {
	return `{"id":"` + id + `","data":"` + base64.StdEncoding.EncodeToString(data) +
		`","revision":` + strconv.FormatInt(revision, 10) + "}"
}

// Batch creates up to 100 records with the same data.
func Batch(ids []string, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"input":{"writes":[`)
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"set":` + set(id, data, 0) + "}")
	}
	b.WriteString("]}}")
	return body(batchDocument, b.String())
}

// Lock takes an exclusive lock, or releases it.
func Lock(name, instance string, acquire bool) []byte {
	return body(lockDocument, `{"input":{"name":"`+name+`","instanceId":"`+instance+`","acquire":`+strconv.FormatBool(acquire)+`}}`)
}

// Changes asks for a page; the empty cursor is the beginning.
func Changes(since string, first int) []byte {
	return body(changesDocument, `{"since":`+orNull(since)+`,"first":`+strconv.Itoa(first)+`}`)
}

// Record asks for one record.
func Record(id string) []byte { return body(recordDocument, `{"id":"`+id+`"}`) }

// Viewer asks for the owner's head, its cursor and the number of records.
func Viewer() []byte { return body(viewerDocument, "{}") }

// Changed subscribes from a cursor; the empty one means from now on.
func Changed(since string) []byte {
	return body(changedDocument, `{"since":`+orNull(since)+`}`)
}

func orNull(cursor string) string {
	if cursor == "" {
		return "null"
	}
	return strconv.Quote(cursor) // base64url or digits
}

// RandomData makes data that does not compress.
func RandomData(size int) []byte {
	data := make([]byte, size)
	for i := 0; i < size; i += 8 {
		n := rand.Uint64() //nolint:gosec // it need not be secret
		for j := i; j < min(i+8, size); j++ {
			data[j] = byte(n)
			n >>= 8
		}
	}
	return data
}

// Check judges an answer.
type Check func(answer []byte) error

// errUnexpected is an answer that is not what was asked for.
var errUnexpected = errors.New("unexpected answer")

// HasStatus checks an answer to a write or a lock: it is decoded, as clients do,
// and its status must be one of these.
func HasStatus(statuses ...string) Check {
	return func(answer []byte) error {
		var a struct {
			Data map[string]struct{ Status string }
		}
		if err := json.Unmarshal(answer, &a); err != nil {
			return err
		}
		for _, field := range a.Data {
			if slices.Contains(statuses, field.Status) {
				return nil
			}
		}
		return fmt.Errorf("%w%s", errUnexpected, code(answer))
	}
}

// Contains checks an answer by a piece of text alone, where decoding would cost
// the load generator more than the answer costs the server.
func Contains(text string) Check {
	return func(answer []byte) error {
		if bytes.Contains(answer, []byte(text)) {
			return nil
		}
		return fmt.Errorf("%w%s", errUnexpected, code(answer))
	}
}

// EndsWith checks an answer by a piece of text near its end. To look through a
// page for what follows its records costs the load generator more than to read it.
func EndsWith(text string) Check {
	contains := Contains(text)
	return func(answer []byte) error {
		return contains(answer[max(0, len(answer)-len(text)-end):])
	}
}

// end is how much may follow the text.
const end = 64

// The statuses of writes and locks.
const (
	Success  = "SUCCESS"
	Conflict = "CONFLICT"
	Acquired = "ACQUIRED"
	Released = "RELEASED"
)

// code is the code of an answer's first error, for messages; empty if it has none.
func code(answer []byte) string {
	var a struct {
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if json.Unmarshal(answer, &a) != nil || len(a.Errors) == 0 {
		return ""
	}
	if c := a.Errors[0].Extensions.Code; c != "" {
		return ": " + c
	}
	return ": " + a.Errors[0].Message
}
