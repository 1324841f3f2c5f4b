package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Objects that write themselves honour a selection as GraphQL has it: aliases,
// fragments, conditions, type names, fields that are asked for twice, in the
// order of the document.
func TestSelectionsOfObjects(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	alice := a.as("alice")
	alice.do(t, `mutation {
		a: setRecord(input: {id: "<\"&é\u2028>", data: "aGVsbG8=", schemaVersion: "1", clientId: "x"}) {status}
		b: setRecord(input: {id: "b", data: ""}) {status}
		c: deleteRecord(input: {id: "b", revision: 2}) {status}
	}`, nil)
	fragments := ` fragment P on ChangePage {hasMore records {...R}} fragment R on Record {revision ... on Record {deleted}}`
	for _, c := range []struct{ query, want string }{ // in this order
		{`{changes {records {id data} hasMore}}`, `{"changes":{"records":[{"id":"<\"&é\u2028>","data":"aGVsbG8="}],"hasMore":false}}`},
		{`{changes(since: "1") {records {d: data x: data clientId deleted}}}`, `{"changes":{"records":[{"d":null,"x":null,"clientId":null,"deleted":true}]}}`},
		{`{c: changes {__typename records {__typename t: __typename}}}`, `{"c":{"__typename":"ChangePage","records":[{"__typename":"Record","t":"Record"}]}}`},
		{`{changes {...P ...P head}}` + fragments, `{"changes":{"hasMore":false,"records":[{"revision":1,"deleted":false}],"head":3}}`},
		{`{changes {records {id @skip(if: true)} head @include(if: false)}}`, `{"changes":{"records":[{}]}}`},
		{`{changes {records {revision} records {schemaVersion revision}}}`, `{"changes":{"records":[{"revision":1,"schemaVersion":"1"}]}}`},
		{`{record(id: "b") {...R}}` + strings.ReplaceAll(fragments, "fragment P on ChangePage {hasMore records {...R}}", ""), `{"record":{"revision":3,"deleted":true}}`},
		{`{record(id: "none") {id}}`, `{"record":null}`},
		{`{records(ids: ["b", "none"]) {i: id}}`, `{"records":[{"i":"b"},null]}`},
		{`query($no: Boolean = false) {changes {records {... @include(if: $no) {id} revision}}}`, `{"changes":{"records":[{"revision":1}]}}`},
		{`mutation {setRecord(input: {id: "b", data: ""}) {__typename s: status newRevision record {data} replayed}}`, `{"setRecord":{"__typename":"WriteRecordPayload","s":"SUCCESS","newRevision":4,"record":{"data":""},"replayed":false}}`},
		{`mutation {writeRecords(input: {writes: [{set: {id: "b", data: "", revision: 1}}, {set: {id: "n", data: ""}}]}) {status results {status newRevision record {id}}}}`, `{"writeRecords":{"status":"CONFLICT","results":[{"status":"CONFLICT","newRevision":null,"record":{"id":"b"}},{"status":"SKIPPED","newRevision":null,"record":null}]}}`},
		{`{lock(name: "none") {__typename n: name locked exclusive holders {token}}}`, `{"lock":{"__typename":"Lock","n":"none","locked":false,"exclusive":false,"holders":[]}}`},
		{`mutation {setLock(input: {name: "l", instanceId: "<é>", exclusive: false}) {status lock {holders {__typename i: instanceId ...T} locked}}} fragment T on LockHolder {token}`, `{"setLock":{"status":"ACQUIRED","lock":{"holders":[{"__typename":"LockHolder","i":"<é>","token":1}],"locked":true}}}`},
		{`mutation {setLock(input: {name: "l", instanceId: "z", exclusive: false}) {lock {holders {instanceId} holders {token @skip(if: true)} name}}}`, `{"setLock":{"lock":{"holders":[{"instanceId":"<é>"},{"instanceId":"z"}],"name":"l"}}}`},
	} {
		got := alice.do(t, c.query, nil)
		body := fmt.Sprintf(`{"data":%s}`, c.want)
		if got.body != body && !sameJSON(t, got.body, body) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.query, got.body, body)
		}
	}
}

// sameJSON compares up to the ways to write one string.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	return normal(t, a) == normal(t, b)
}

// normal keeps the order of members.
func normal(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	dec := json.NewDecoder(strings.NewReader(text))
	for token, err := dec.Token(); err == nil; token, err = dec.Token() {
		fmt.Fprintf(&out, "%T %v\n", token, token)
	}
	return out.String()
}
