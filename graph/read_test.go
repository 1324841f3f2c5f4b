package graph_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestChangesPagesInOrderOfRevision(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	for _, id := range []string{"a", "b", "c"} {
		c.set(t, id, id, 0)
	}
	c.set(t, "a", "again", 1) // moves forward
	c.delete(t, "b", 2)

	first := c.ok(t, changes, vars{"first": 1}).at("changes")
	first.is("c", "records", 0, "id")
	first.is("true", "hasMore")
	first.is("5", "head")

	rest := c.ok(t, changes, vars{"since": first.at("cursor").text()}).at("changes")
	rest.is("a", "records", 0, "id")
	rest.is("4", "records", 0, "revision")
	rest.is("false", "hasMore")
	if n := rest.at("records").len(); n != 1 { // a walk from the beginning leaves old tombstones out
		t.Errorf("%d records", n)
	}

	c.delete(t, "c", 3)
	news := c.ok(t, changes, vars{"since": rest.at("cursor").text()}).at("changes")
	news.is("c", "records", 0, "id")
	news.is("true", "records", 0, "deleted")
	news.is("null", "records", 0, "data")

	byHand := c.ok(t, changes, vars{"since": "4"}).at("changes")
	byHand.is("b", "records", 0, "id")
	byHand.is("c", "records", 1, "id")
	c.ok(t, changes, vars{"since": "0"}).is("a", "changes", "records", 0, "id")
	c.ok(t, changes, vars{"since": nil}).is("a", "changes", "records", 0, "id")
}

func TestChangesOfAnOwnerWhoNeverWrote(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	page := c.ok(t, changes, nil).at("changes")
	page.is("0", "head")
	page.is("false", "hasMore")
	c.set(t, "a", "", 0)
	c.ok(t, changes, vars{"since": page.at("cursor").text()}).is("a", "changes", "records", 0, "id")
}

func TestPageIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	for batch := range 7 { // 70 records of 64 KiB are more than 4 MiB
		writes := make([]vars, 10)
		for i := range writes {
			id := strconv.Itoa(10*batch + i)
			writes[i] = vars{"set": vars{"id": id, "data": b64(strings.Repeat("x", 64<<10))}}
		}
		c.ok(t, "mutation($input: WriteRecordsInput!) {writeRecords(input: $input) {status}}", vars{"input": vars{"writes": writes}}).
			is("SUCCESS", "writeRecords", "status")
	}
	page := c.ok(t, changes, vars{"first": 1000}).at("changes")
	if n := page.at("records").len(); n != 64 {
		t.Errorf("%d records in the first page", n)
	}
	page.is("true", "hasMore")
	page = c.ok(t, changes, vars{"first": 1000, "since": page.at("cursor").text()}).at("changes")
	if n := page.at("records").len(); n != 6 {
		t.Errorf("%d records in the second page", n)
	}
	page.is("false", "hasMore")
}

func TestCursorErrors(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	c.set(t, "a", "", 0)
	cursor := c.viewer(t).at("cursor").text()

	ahead := c.refused(t, changes, vars{"since": "2"}, refusal{200, "EPOCH_MISMATCH", ""})
	tree{t, ahead.Errors[0].Extensions}.is("1", "restoredHead")
	if message := ahead.Errors[0].Message; !strings.Contains(message, "ahead of your newest revision, 1") || strings.Contains(message, "restored") {
		t.Errorf("a revision that was never written is told as %q", message)
	}

	if _, err := a.db.NewEpoch(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	c.set(t, "b", "", 0)
	other := c.refused(t, changes, vars{"since": cursor}, refusal{200, "EPOCH_MISMATCH", ""})
	tree{t, other.Errors[0].Extensions}.is("1", "restoredHead")

	head, err := strconv.ParseInt(c.viewer(t).at("head").text(), 10, 64)
	if err != nil || head <= 1<<21 {
		t.Fatalf("head after a restore is %d, %v", head, err)
	}
	cursor = c.viewer(t).at("cursor").text()
	if err := a.db.Write.Account.Update().SetFloor(head + 1).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.set(t, "c", "", 0)
	c.set(t, "d", "", 0)
	tooOld := c.refused(t, changes, vars{"since": cursor}, refusal{200, "CURSOR_TOO_OLD", ""})
	tree{t, tooOld.Errors[0].Extensions}.is(strconv.FormatInt(head+1, 10), "floor")
	tree{t, tooOld.Errors[0].Extensions}.is("false", "erased")
	c.ok(t, changes, vars{"since": "0"}).is("false", "changes", "hasMore") // never too old
}

func TestRecordsComeInTheOrderAsked(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "a", "1", 0)
	c.set(t, "b", "2", 0)
	c.delete(t, "b", 2)

	found := c.ok(t, "query($ids: [ID!]!) {records(ids: $ids) "+recordFields+"}", vars{"ids": []any{"b", "nope", "a", "a", 12}}).at("records")
	found.is("b", 0, "id")
	found.is("true", 0, "deleted")
	found.is("null", 1)
	found.is("a", 2, "id")
	found.is("a", 3, "id")
	found.is("null", 4)
	if n := c.ok(t, `{records(ids: []) {id}}`, nil).at("records").len(); n != 0 {
		t.Errorf("%d records for no id", n)
	}
	c.set(t, "12", "twelve", 0)
	c.ok(t, `{records(ids: 12) {id}}`, nil).is("12", "records", 0, "id") // GraphQL makes a list of it
}

func TestRecord(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.ok(t, `{record(id: "a") {id}}`, nil).is("null", "record")
	c.set(t, "a", "hello", 0)
	c.ok(t, `{record(id: "a") {data}}`, nil).is("aGVsbG8=", "record", "data")
}

func TestViewer(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	v := c.viewer(t)
	v.is(keyOf("alice"), "id")
	v.is("0", "head")
	v.is("0", "recordCount")

	c.set(t, "a", "12345", 0)
	c.set(t, "b", "123", 0)
	c.set(t, "c", "1", 0)
	c.delete(t, "c", 3)
	v = c.viewer(t)
	v.is("4", "head")
	v.is("2", "recordCount")
	v.is("8", "storedBytes")
	page := c.ok(t, changes, vars{"since": v.at("cursor").text()}).at("changes")
	if page.at("records").len() != 0 {
		t.Error("viewer.cursor is not at the head")
	}
}

func TestLimitsNeedNoSignature(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{tombstones: 90 * 24 * time.Hour})
	before := time.Now().Truncate(time.Microsecond)
	l := a.as("").ok(t, `{limits {maxRecordBytes maxBatch maxPage maxPageBytes maxRequestBytes requestWindowSeconds
		maxRecords maxStoredBytes tombstoneRetentionSeconds mutationRetentionSeconds serverTime}}`, nil).at("limits")
	for field, want := range map[string]string{
		"maxRecordBytes": "65536", "maxBatch": "100", "maxPage": "1000", "maxPageBytes": "4194304",
		"maxRequestBytes": "1048576", "requestWindowSeconds": "300", "maxRecords": "null", "maxStoredBytes": "null",
		"tombstoneRetentionSeconds": "7776000", "mutationRetentionSeconds": "null",
	} {
		l.is(want, field)
	}
	at, err := time.Parse(time.RFC3339Nano, l.at("serverTime").text())
	if err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("serverTime %v, %v", at, err)
	}
}
