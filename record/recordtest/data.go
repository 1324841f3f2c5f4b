package recordtest

import (
	"bytes"
	"strings"
	"testing"

	"syncline/record"
)

var dataCases = []testCase{
	{"data at its edges", testDataEdges},
	{"awkward ids", testAwkwardIDs},
	{"ids that are refused", testBadIDs},
	{"records in the order asked", testRecordsOrder},
}

func testDataEdges(t *testing.T, w *world) {
	u := w.user(t, 1)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for id, data := range map[string][]byte{
		"nil": nil, "empty": {}, "zero": {0}, "all": all, "quote": []byte(`'"\x`),
		"max": bytes.Repeat([]byte{0xff}, record.MaxDataBytes),
	} {
		request := set(id, "", 0)
		request.Writes[0].Data = data
		answered := u.write(request).Results[0].Record
		paged, _ := u.walk(cursorAt(u, answered.Revision-1), 1)
		for where, got := range map[string][]byte{
			"answered": answered.Data, "stored": u.record(id).Data, "paged": paged[0].Data,
		} {
			if got == nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %s %d bytes (nil: %t), want %d", id, where, len(got), got == nil, len(data))
			}
		}
	}
	request := set("over", "", 0)
	request.Writes[0].Data = make([]byte, record.MaxDataBytes+1)
	_, err := u.try(request)
	assertInvalid(t, err, "data")
}

// awkwardIDs are all different, and each as long as it may be or awkward for
// some way to store or compare it.
var awkwardIDs = []string{
	"a", "A", "á", "a\u0301", "ａ", "ß", "ss", "ı", "i", "I", "İ",
	"%", "_", "a%", "a_", "*", "?", "\\", "\\%", "'", "''", "\"", "`", "$1", "?1", ":a", "@a", ";--", "NULL", "null",
	" ", "  ", " a", "a ", "\u00a0", "\u200b", "\u2028", "\ufeff", "\ufffd", "\U0001f600",
	"/", "//", "a/b", "a:b", "a.b", "a,b", "a|b", "{a}", "a}", "{", "lock:a", "..", ".", "0", "00", "-0", "1e3", "true",
	"\U0010ffff", "\u07ff", strings.Repeat("x", record.MaxIDBytes), strings.Repeat("é", record.MaxIDBytes/2),
}

func testAwkwardIDs(t *testing.T, w *world) {
	u := w.user(t, 1)
	for _, id := range awkwardIDs {
		u.put(withMutation(id, set(id, id, 0)))
	}
	for i, id := range awkwardIDs {
		if r := u.record(id); r == nil || r.ID != id || string(r.Data) != id {
			t.Errorf("%q: got %+v", id, r)
		}
		if i%2 == 0 {
			u.put(del(id, record.Revision(i+1)))
		}
	}
	assertEqual(t, "records", u.account().RecordCount, int64(len(awkwardIDs)/2))
	records, _ := u.walk("", 7)
	for i, r := range records {
		assertEqual(t, "id", r.ID, awkwardIDs[2*i+1])
	}
}

func testBadIDs(t *testing.T, w *world) {
	u := w.user(t, 1)
	for _, id := range []string{
		"", "\x00", "a\x00", "a\n", "\t", "\x7f", "\u0085", "\xff", "a\xc3", "\xed\xa0\x80",
		strings.Repeat("x", record.MaxIDBytes+1), strings.Repeat("é", record.MaxIDBytes/2) + "x",
	} {
		_, err := u.try(set(id, "", 0))
		assertInvalid(t, err, "id")
		_, err = u.try(del(id, 1))
		assertInvalid(t, err, "id")
		_, err = u.service.Record(t.Context(), u.owner, id)
		assertInvalid(t, err, "id")
	}
	assertEqual(t, "head", u.account().Head, 0)
}

func testRecordsOrder(t *testing.T, w *world) {
	u := w.user(t, 1)
	u.write(batch(setWrite("a", "1", 0), setWrite("b", "2", 0)))
	u.put(del("a", 1))
	records, err := u.service.Records(t.Context(), u.owner, []string{"b", "x", "a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 4 || records[1] != nil {
		t.Fatalf("records %v", records)
	}
	assertRecords(t, []record.Record{*records[0], *records[2], *records[3]}, "b@2=2 a@3† b@2=2")
	_, err = u.service.Records(t.Context(), u.owner, make([]string, record.MaxBatch+1))
	assertInvalid(t, err, "ids")
	_, err = u.service.Records(t.Context(), u.owner, []string{"a", ""})
	assertInvalid(t, err, "ids.1")
}
