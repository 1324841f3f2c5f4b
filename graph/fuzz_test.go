package graph_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// maxUnsignedAnswer is the longest answer to a document that nobody signed. The
// schema itself, with every description, is the longest of them.
const maxUnsignedAnswer = 256 << 10

// FuzzDocument sends documents through parsing, shape, validation, limits and
// execution. None makes the server fail, and one that nobody signed reads nothing.
func FuzzDocument(f *testing.F) {
	for _, seed := range []struct{ query, variables string }{
		{`{ limits { maxPage } }`, `{}`},
		{introspection, `{}`},
		{`query($n: Int!) { changes(first: $n) { records { id data } cursor } }`, `{"n":1000}`},
		{`query($c: Cursor) { changes(since: $c) { head } }`, `{"c":"0"}`},
		{`mutation($i: SetRecordInput!) { setRecord(input: $i) { status record { data } } }`, `{"i":{"id":"a","data":"YQ==","revision":0}}`},
		{`mutation { writeRecords(input: {writes: [{set: {id: "a", data: ""}}, {delete: {id: "b", revision: 1}}]}) { results { status } } }`, `{}`},
		{`mutation { eraseAccount(input: {owner: "02", mutationId: "m"}) { erasedRecords cursor } }`, `{}`},
		{`mutation { setLock(input: {name: "a", instanceId: "b", ttlSeconds: 1}) { token lock { holders { instanceId } } } }`, `{}`},
		{`{ ...F } fragment F on Query { viewer { id } ...F }`, `{}`},
		{`{ a: limits @include(if: $x) { maxPage } limits @skip(if: true) { maxPage } }`, `{"x":null}`},
		{`{ records(ids: ["a", "b"]) { revision } record(id: 18446744073709551616) { id } }`, `{}`},
		{`query A { __typename } query B { __type(name: "Record") { fields { name } } }`, `{}`},
		{`mutation($i: SetRecordInput = {id: "a", data: ""}) { setRecord(input: $i) { status } }`, `{"i":null}`},
		{`mutation($w: RecordWrite = {delete: {id: "a", revision: 1}}) { writeRecords(input: {writes: [$w]}) { status } }`, `{"w":null}`},
		{`{ limits { nope @nope(a: [1 2 {b: 3.5e9}]) } }`, `{}`},
		{"{ \"\"\"block\"\"\" # comment\n }", `[]`},
		{`subscription { recordChanged { kind } }`, `{}`},
	} {
		f.Add(seed.query, seed.variables, true)
		f.Add(seed.query, seed.variables, false)
	}
	a := newAPI(f, options{})
	client := &http.Client{Timeout: waitLimit}
	f.Fuzz(func(t *testing.T, query, variables string, signed bool) {
		text, err := json.Marshal(query)
		if err != nil {
			t.Fatal(err)
		}
		body := append(append([]byte(`{"query":`), text...), `,"variables":`+variables+`}`...)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if signed {
			r.Header.Set(ownerHeader, "fuzz")
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(answer) || strings.Contains(string(answer), `"code":"INTERNAL"`) || res.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%d %.300s", res.StatusCode, answer)
		}
		if signed {
			return
		}
		if len(answer) > maxUnsignedAnswer {
			t.Errorf("an answer of %d bytes to %d that nobody signed", len(answer), len(body))
		}
		for _, ours := range []string{`"head":`, `"records":`, `"newRevision":`, `"storedBytes":`} {
			if bytes.Contains(answer, []byte(ours)) {
				t.Errorf("nobody signed, and was told %.300s", answer)
			}
		}
	})
}
