package owners_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/owners"
	"syncline/storage/records"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ownerNumber(n byte) record.Owner { return record.Owner{0: 2, 32: n} }

func silent(owners.Counts) {}

// house is a database and a store that writes into it.
type house struct {
	*storage.DB
	store *records.Store
	now   *time.Time
}

func newHouse(db *storage.DB) house {
	now := began
	h := house{db, records.New(db, db.NewEngine()), &now}
	h.store.SetClock(func() time.Time { return now })
	return h
}

func (h house) write(t *testing.T, owner record.Owner, writes ...record.Write) {
	t.Helper()
	result, err := h.store.Write(t.Context(), owner, record.Request{Kind: record.KindBatch, Writes: writes})
	if err != nil || result.Status != record.Success {
		t.Fatalf("%+v, %v", result, err)
	}
}

func (h house) export(t *testing.T, owner record.Owner) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := owners.Export(t.Context(), h.DB, owner, &out, began, silent); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	run(t, testservers.SQLite)
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	run(t, testservers.StartPostgres(t).Open)
}

func run(t *testing.T, open func(testing.TB) *storage.DB) {
	for name, test := range map[string]func(t *testing.T, open func() house){
		"an import is as the export":  testRoundTrip,
		"a list is filtered":          testList,
		"what cannot be imported":     testRefused,
		"half an import leaves none":  testHalf,
		"what cannot be read":         testUnreadable,
		"a line without an end":       testEndless,
		"over today's limits":         testOverLimits,
		"to another owner":            testAs,
		"devices hear what was there": testRestoredHead,
		"what was to be purged":       testBelowFloor,
		"what was erased is not left": testErased,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func() house { return newHouse(open(t)) })
		})
	}
}

// fill gives an owner more records than are read or written at a time, among them
// tombstones, empty data, and what JSON has names for.
func (h house) fill(t *testing.T, owner record.Owner) {
	t.Helper()
	for n := range 12 {
		var writes []record.Write
		for i := range 100 {
			writes = append(writes, record.Write{ID: fmt.Sprint(n, ".", i), Data: []byte{byte(n), byte(i), 0xff}, SchemaVersion: "1"})
		}
		h.write(t, owner, writes...)
	}
	h.write(t, owner, record.Write{ID: "empty"}, record.Write{ID: "\"\\é\u2028<", Data: []byte("x")})
	h.write(t, owner, record.Write{ID: "3.3", Delete: true, Revision: 304}, record.Write{ID: "5.5", Data: []byte("later"), Revision: 506})
}

func testRoundTrip(t *testing.T, open func() house) {
	from, to := open(), open()
	alice := ownerNumber(1)
	from.fill(t, alice)
	from.write(t, ownerNumber(2), record.Write{ID: "another's"})
	text := from.export(t, alice)
	var told owners.Counts
	owner, counts, err := owners.Import(t.Context(), to.DB, nil, strings.NewReader(text), began, func(c owners.Counts) { told = c })
	if err != nil || owner != alice || counts.Records != 1201 || counts.Tombstones != 1 || told != counts {
		t.Fatalf("%v, %+v, told of %+v, %v", owner, counts, told, err)
	}
	if again := to.export(t, alice); again != text {
		t.Errorf("exported again, it is another text of %d bytes, not %d", len(again), len(text))
	}
	before, err := from.store.Account(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	after, err := to.store.Account(t.Context(), alice)
	if after.Epoch = before.Epoch; err != nil || after != before {
		t.Errorf("account %+v after %+v, %v", after, before, err)
	}
	to.write(t, alice, record.Write{ID: "3.4", Data: []byte("y"), Revision: 305}) // at the revision that a device knows
	if a, err := to.store.Account(t.Context(), alice); err != nil || a.Head != before.Head+1 {
		t.Errorf("account %+v, %v; want head %d", a, err, before.Head+1)
	}
	if _, _, err := owners.Import(t.Context(), to.DB, nil, strings.NewReader(text), began, silent); !errors.Is(err, owners.ErrNotEmpty) {
		t.Errorf("imported again: %v", err)
	}
}

func testList(t *testing.T, open func() house) {
	h := open()
	h.write(t, ownerNumber(1), record.Write{ID: "a", Data: make([]byte, 100)})
	h.write(t, ownerNumber(2), record.Write{ID: "a"}, record.Write{ID: "b"}, record.Write{ID: "c", Data: []byte("xy")})
	*h.now = began.Add(time.Hour)
	h.write(t, ownerNumber(3), record.Write{ID: "a", Data: make([]byte, 50)}, record.Write{ID: "b"})
	if err := h.CreateOwner(t.Context(), ownerNumber(4), *h.now); err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetQuota(t.Context(), ownerNumber(2), record.Quota{Records: 7, Bytes: record.Unbounded}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		filter owners.Filter
		want   string
	}{
		{owners.Filter{Order: owners.ByBytes}, "1 3 2 4"},
		{owners.Filter{Order: owners.ByBytes, Most: 2}, "1 3"},
		{owners.Filter{Order: owners.ByRecords}, "2 3 1 4"},
		{owners.Filter{Order: owners.ByWritten}, "3 1 2 4"},
		{owners.Filter{Order: owners.ByOwner}, "1 2 3 4"},
		{owners.Filter{Order: owners.ByOwner, MinBytes: 3}, "1 3"},
		{owners.Filter{Order: owners.ByOwner, MinRecords: 2}, "2 3"},
		{owners.Filter{Order: owners.ByOwner, WrittenBefore: *h.now}, "1 2 4"},
	} {
		var got []string
		err := owners.List(t.Context(), h.DB, c.filter, func(a owners.Account) error {
			got = append(got, fmt.Sprint(a.Owner[32]))
			return nil
		})
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, %v; want %s", c.filter, got, err, c.want)
		}
	}
	a, err := owners.Find(t.Context(), h.DB, ownerNumber(2))
	want := owners.Account{
		Owner: ownerNumber(2), Head: 3, Records: 3, Bytes: 2, Quota: record.Quota{Records: 7, Bytes: record.Unbounded},
		Created: began, Written: began,
	}
	if err != nil || a != want {
		t.Errorf("found %+v, %v; want %+v", a, err, want)
	}
	if _, err := owners.Find(t.Context(), h.DB, ownerNumber(9)); !errors.Is(err, owners.ErrUnknown) {
		t.Errorf("an owner who never was: %v", err)
	}
}

// testRefused has each kind of a damaged export refused, with the line, and leave nothing.
func testRefused(t *testing.T, open func() house) {
	h := open()
	h.write(t, ownerNumber(1), record.Write{ID: "a", Data: []byte("x")}, record.Write{ID: "b", Data: []byte("y")}, record.Write{ID: "c"})
	h.write(t, ownerNumber(1), record.Write{ID: "c", Delete: true, Revision: 3})
	text := h.export(t, ownerNumber(1))
	lines := strings.SplitAfter(text, "\n")
	replace := func(old, with string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		return strings.Replace(text, old, with, 1)
	}
	as := ownerNumber(7)
	for name, c := range map[string]struct{ text, want string }{
		"empty":                 {"", "line 1: this is not an export"},
		"no export":             {"hello\n", "line 1: "},
		"another format":        {replace("syncline owner 1", "syncline owner 2"), "line 1: this is not an export"},
		"no owner":              {replace(ownerNumber(1).String(), "02"), "line 1: owner is not 66"},
		"floor above head":      {replace(`"floor":0`, `"floor":9`), "line 1: head 4, floor 9"},
		"no end":                {strings.Join(lines[:4], ""), "cut short"},
		"cut in a line":         {text[:len(text)-9], "line 5: "},
		"a line is missing":     {strings.Join(append([]string{lines[0]}, lines[2:]...), ""), "line 4: the export says"},
		"a line comes twice":    {lines[0] + lines[1] + strings.Join(lines[1:], ""), "line 3: revision 1 comes after 1"},
		"an id comes twice":     {replace(`"id":"b"`, `"id":"a"`), "lines 2 to 4: insert"},
		"above the head":        {replace(`"revision":4`, `"revision":5`), "line 4: revision 5"},
		"a purged tombstone":    {replace(`"floor":0`, `"floor":4`), "line 4: a tombstone"},
		"a tombstone with data": {replace(`"data":"eA=="`, `"data":"eA==","deleted":true`), "line 2: a record has data"},
		"no data":               {replace(`"data":"eA=="`, `"schemaVersion":"1"`), "line 2: a record has data"},
		"no id":                 {replace(`"id":"b",`, ``), "line 3: a record has an id"},
		"an id with a NUL":      {replace(`"id":"b"`, `"id":"\u0000"`), "line 3: text with a NUL"},
		"too long an id":        {replace(`"id":"b"`, `"id":"`+strings.Repeat("b", 2001)+`"`), "line 3: an id of 2001 bytes"},
		"too much data":         {replace(`"data":"eA=="`, `"data":"`+base64.StdEncoding.EncodeToString(make([]byte, owners.MaxBytes))+`"`), "line 2: a record of 4194305 bytes"},
		"too much text":         {replace(`"id":"b"`, `"id":"b","schemaVersion":"`+strings.Repeat(`\u0001`, owners.MaxBytes)+`"`), "line 3: a record of 4194306 bytes"},
		"too long a line":       {replace(`"id":"b"`, `"id":"`+strings.Repeat("b", 32<<20)+`"`), "line 3: it has more than 25169920 bytes"},
		"no base64":             {replace(`"eA=="`, `"!"`), "line 2: "},
		"an unknown name":       {replace(`"id":"b"`, `"id":"b","new":1`), `line 3: json: unknown field "new"`},
		"after the end":         {text + lines[1], "line 6: something comes after the end"},
	} {
		_, _, err := owners.Import(t.Context(), h.DB, &as, strings.NewReader(c.text), began, silent)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", name, err, c.want)
		}
		if _, err := owners.Find(t.Context(), h.DB, as); !errors.Is(err, owners.ErrUnknown) {
			t.Errorf("%s: something is left, %v", name, err)
		}
	}
	if n := h.Read.Record.Query().CountX(t.Context()); n != 3 {
		t.Errorf("%d records are stored, want those that were there", n)
	}
}

// ending is a reader whose text is interrupted.
type ending struct {
	text *strings.Reader
	then func() error
}

func (e *ending) Read(b []byte) (int, error) {
	if n, err := e.text.Read(b); err == nil {
		return n, nil
	}
	return 0, e.then()
}

// endless is a file without a line break after its text.
type endless struct {
	text *strings.Reader
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	n, err := e.text.Read(b)
	if err != nil {
		for n = range b {
			b[n] = ' '
		}
		n++
	}
	if e.read += n; e.read > 1<<30 {
		return 0, errors.New("a gibibyte was read")
	}
	return n, nil
}

// testEndless has one line that does not end where a record, or what comes after the end, is to be.
func testEndless(t *testing.T, open func() house) {
	h := open()
	h.write(t, ownerNumber(1), record.Write{ID: "a", Data: []byte("x")})
	text := h.export(t, ownerNumber(1))
	as := ownerNumber(7)
	for _, c := range []struct{ text, want string }{
		{text[:strings.Index(text, "\n")+1], "line 2: it has more than"},
		{text, "line 4: it has more than"},
	} {
		_, _, err := owners.Import(t.Context(), h.DB, &as, &endless{text: strings.NewReader(c.text)}, began, silent)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v; want %q", err, c.want)
		}
	}
}

// testHalf has the import end in the middle, by its reader or by its context.
func testHalf(t *testing.T, open func() house) {
	h := open()
	h.fill(t, ownerNumber(1))
	text := h.export(t, ownerNumber(1))
	half := text[:strings.LastIndex(text[:len(text)-500], "\n")+1]
	as := ownerNumber(7)
	broken := errors.New("the disk is gone")
	ctx, cancel := context.WithCancel(t.Context())
	for _, then := range []func() error{
		func() error { return broken },
		func() error { cancel(); return context.Canceled },
	} {
		if _, _, err := owners.Import(ctx, h.DB, &as, &ending{strings.NewReader(half), then}, began, silent); err == nil {
			t.Error("half an export was imported")
		}
		if page, err := h.store.Changes(t.Context(), as, record.Span{FromStart: true, Limit: 10, MaxBytes: 1 << 20}); err != nil || page.Head != 0 || len(page.Records) != 0 {
			t.Errorf("%+v, %v; want nothing", page, err)
		}
	}
}

// testUnreadable tells what is wrong with a file, not that it is something else.
func testUnreadable(t *testing.T, open func() house) {
	h := open()
	h.write(t, ownerNumber(1), record.Write{ID: "a", Data: []byte("x")})
	text := h.export(t, ownerNumber(1))
	broken := errors.New("the disk is gone")
	as := ownerNumber(7)
	for _, part := range []int{0, 20, len(text) - 20} {
		from := &ending{strings.NewReader(text[:part]), func() error { return broken }}
		if _, _, err := owners.Import(t.Context(), h.DB, &as, from, began, silent); !errors.Is(err, broken) {
			t.Errorf("after %d bytes of %d: %v", part, len(text), err)
		}
	}
}

// testOverLimits moves what the server would not take today, and yet serves: another
// service's data may be so.
func testOverLimits(t *testing.T, open func() house) {
	from, to, alice := open(), open(), ownerNumber(1)
	tx, err := from.Write.Tx(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	made, err := owners.Begin(t.Context(), tx, alice, silent)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range []record.Record{
		{ID: ""},
		{ID: "a\nb"},
		{ID: strings.Repeat("i", 2000)},
		{ID: "s", SchemaVersion: "version 1 of my schema"},
		{ID: "c", ClientID: strings.Repeat("c", 100)},
		{ID: "large", Data: bytes.Repeat([]byte{0xfe}, 3<<20)},
		{ID: "largest", Data: make([]byte, owners.MaxBytes-len("largest"))},
		{ID: "escaped", SchemaVersion: strings.Repeat("\x01", owners.MaxBytes-len("escaped"))},
		{ID: "gone", Deleted: true, SchemaVersion: "version 1 of my schema"},
	} {
		r.Revision, r.UpdatedAt = record.Revision(i+1), began
		if err := made.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(made.Finish(t.Context(), owners.History{Head: 9}, began), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	text := from.export(t, alice)
	if _, _, err := owners.Import(t.Context(), to.DB, nil, strings.NewReader(text), began, silent); err != nil {
		t.Fatal(err)
	}
	if again := to.export(t, alice); again != text {
		t.Errorf("exported again, it is another text of %d bytes, not %d", len(again), len(text))
	}
}

func testAs(t *testing.T, open func() house) {
	h := open()
	h.fill(t, ownerNumber(1))
	if err := h.CreateOwner(t.Context(), ownerNumber(2), began); err != nil {
		t.Fatal(err)
	}
	as := ownerNumber(2)
	if owner, _, err := owners.Import(t.Context(), h.DB, &as, strings.NewReader(h.export(t, ownerNumber(1))), began, silent); err != nil || owner != as {
		t.Fatalf("%v, %v", owner, err)
	}
	mine, theirs := h.export(t, ownerNumber(1)), h.export(t, as)
	if strings.ReplaceAll(theirs, as.String(), ownerNumber(1).String()) != mine {
		t.Error("the copy is another")
	}
}

func testErased(t *testing.T, open func() house) {
	h := open()
	h.fill(t, ownerNumber(1))
	if _, _, err := h.store.Erase(t.Context(), ownerNumber(1), nil); err != nil {
		t.Fatal(err)
	}
	h.write(t, ownerNumber(1), record.Write{ID: "new", Data: []byte("x")})
	if lines := strings.Split(h.export(t, ownerNumber(1)), "\n"); len(lines) != 4 || !strings.Contains(lines[1], `"new"`) {
		t.Errorf("exported %q", lines)
	}
	if a, err := owners.Find(t.Context(), h.DB, ownerNumber(1)); err != nil || a.Records != 1 || a.Bytes != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}

// restoredHead is what a device hears whose cursor is of an epoch.
func (h house) restoredHead(t *testing.T, epoch record.Epoch) record.Revision {
	t.Helper()
	snapshot, err := h.store.Changes(t.Context(), ownerNumber(1), record.Span{Epoch: &epoch, Limit: 1})
	if err != nil || snapshot.Epoch == epoch {
		t.Fatalf("%+v, %v", snapshot, err)
	}
	return snapshot.RestoredHead
}

func (h house) epoch(t *testing.T) record.Epoch {
	t.Helper()
	a, err := h.store.Account(t.Context(), ownerNumber(1))
	if err != nil {
		t.Fatal(err)
	}
	return a.Epoch
}

// testRestoredHead is of devices whose cursors come from where an owner was exported:
// what they have up to its head is here, or was deleted.
func testRestoredHead(t *testing.T, open func() house) {
	from, to, third := open(), open(), open()
	from.fill(t, ownerNumber(1))
	theirs, mine := from.epoch(t), to.epoch(t)
	move := func(from, to house) {
		t.Helper()
		if _, _, err := owners.Import(t.Context(), to.DB, nil, strings.NewReader(from.export(t, ownerNumber(1))), began, silent); err != nil {
			t.Fatal(err)
		}
	}
	move(from, to)
	const head = 1204
	if got := to.restoredHead(t, theirs); got != head {
		t.Errorf("restored head %d, want that of the export, %d", got, head)
	}
	to.write(t, ownerNumber(1), record.Write{ID: "more"})
	if _, err := to.NewEpoch(t.Context(), began); err != nil {
		t.Fatal(err)
	}
	if got := to.restoredHead(t, theirs); got != head {
		t.Errorf("after a restore: %d, want %d", got, head)
	}
	if got := to.restoredHead(t, mine); got != head+1 {
		t.Errorf("after a restore, of the epoch before: %d, want %d", got, head+1)
	}
	// Devices of the first database, who may not have heard of the second.
	move(to, third)
	if got := third.restoredHead(t, theirs); got != head {
		t.Errorf("moved twice: %d, want %d", got, head)
	}
}

// testBelowFloor is of a tombstone that could not be purged when the floor was raised.
func testBelowFloor(t *testing.T, open func() house) {
	from, to := open(), open()
	from.fill(t, ownerNumber(1))
	from.Write.Account.Update().SetFloor(1203).ExecX(t.Context())
	_, counts, err := owners.Import(t.Context(), to.DB, nil, strings.NewReader(from.export(t, ownerNumber(1))), began, silent)
	if err != nil || counts.Tombstones != 0 || counts.Records != 1201 {
		t.Errorf("%+v, %v", counts, err)
	}
}
