package graph_test

import (
	"net/http"
	"strings"
	"testing"
)

var unauthenticated = refusal{401, "UNAUTHENTICATED", ""}

func TestUnsignedDocumentsThatAreServed(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("")
	for name, query := range map[string]string{
		"limits":            `{limits {maxPage}}`,
		"aliased":           `{viewer: limits {maxPage}}`,
		"typename":          `{__typename}`,
		"of a mutation":     `mutation {__typename}`,
		"schema":            `{__schema {queryType {name}}}`,
		"type":              `{__type(name: "Record") {name}}`,
		"inline fragment":   `{... on Query {limits {maxPage}}}`,
		"untyped fragment":  `{... {__typename limits {maxPage}}}`,
		"nested fragments":  `{...A} fragment A on Query {...B} fragment B on Query {limits {maxPage}}`,
		"another operation": `query A {limits {maxPage}} query B {viewer {id}}`,
	} {
		a := c.send(t, map[string]any{"query": query, "operationName": operationName(name)})
		if a.status != 200 || len(a.Errors) > 0 {
			t.Errorf("%s: status %d: %s", name, a.status, a.body)
		}
	}
}

func operationName(name string) any {
	if name == "another operation" {
		return "A"
	}
	return nil
}

func TestUnsignedDocumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	for name, query := range map[string]string{
		"changes":           `{changes {head}}`,
		"record":            `{record(id: "a") {id}}`,
		"records":           `{records(ids: ["a"]) {id}}`,
		"lock":              `{lock(name: "a") {name}}`,
		"viewer":            `{viewer {id}}`,
		"alias":             `{limits: viewer {id}}`,
		"beside limits":     `{limits {maxPage} viewer {id}}`,
		"inline fragment":   `{limits {maxPage} ... on Query {viewer {id}}}`,
		"untyped fragment":  `{... {... {viewer {id}}}}`,
		"named fragment":    `{...A} fragment A on Query {viewer {id}}`,
		"nested fragments":  `{limits {maxPage} ...A} fragment A on Query {...B} fragment B on Query {... {viewer {id}}}`,
		"skipped":           `{limits {maxPage} viewer @skip(if: true) {id}}`,
		"bad argument":      `{record(id: "") {id}}`,
		"setRecord":         `mutation {setRecord(input: {id: "a", data: ""}) {status}}`,
		"after typename":    `mutation {__typename setRecord(input: {id: "a", data: ""}) {status}}`,
		"deleteRecord":      `mutation {deleteRecord(input: {id: "a", revision: 1}) {status}}`,
		"writeRecords":      `mutation {writeRecords(input: {writes: []}) {status}}`,
		"eraseAccount":      `mutation {eraseAccount(input: {owner: "a"}) {erasedRecords}}`,
		"setLock":           `mutation {setLock(input: {name: "a", instanceId: "a"}) {status}}`,
		"a fragment twice":  `{...A ...A limits {maxPage}} fragment A on Query {limits {maxPage} viewer {id}}`,
		"introspection too": `{__schema {queryType {name}} viewer {id}}`,
	} {
		got := a.as("").do(t, query, nil)
		if got.refusal(t) != unauthenticated || got.Data != nil {
			t.Errorf("%s: %+v, %s", name, got.refusal(t), got.body)
		}
	}
	for _, query := range []string{recordChanged, `subscription {lockChanged(name: "a") {name}}`} {
		resp := a.as("").post(t, "text/event-stream", map[string]any{"query": query})
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d", query, resp.StatusCode)
		}
	}
	a.as("alice").viewer(t).is("0", "head")
}

// What nobody signed costs little, and the answer to garbage is small.
func TestUnsignedDocumentsThatCostMuch(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("")
	long := strings.Repeat("a", 60)
	for name, test := range map[string]struct {
		query string
		want  refusal
	}{
		"unknown directives":       {`{limits {` + strings.Repeat("maxPage @a ", 50) + aliases(200, "maxBatch @b") + `}}`, refusedDocument},
		"unknown fields":           {`{limits {` + aliases(200, long) + `}}`, refusedDocument},
		"unknown root fields":      {`{` + aliases(200, long) + `}`, unauthenticated},
		"the schema again":         {`{` + aliases(30, `__schema {queryType {name}}`) + `}`, refusedDocument},
		"in a fragment":            {`{...A __schema {queryType {name}}} fragment A on Query {a: __schema {queryType {name}}}`, refusedDocument},
		"a type again":             {`{a: __type(name: "Record") {name} b: __type(name: "Lock") {name}}`, refusedDocument},
		"needs a signature, wrong": {`{viewer {nothing @nothing}}`, unauthenticated},
	} {
		a := c.refused(t, test.query, nil, test.want)
		if len(a.body) > 8<<10 || len(a.Errors) > 20 {
			t.Errorf("%s: an answer of %d errors in %d bytes", name, len(a.Errors), len(a.body))
		}
	}
	c.ok(t, `{__schema {queryType {name}} __type(name: "Record") {name} limits {maxPage}}`, nil)
}

func TestSuggestionsAreForThoseWhoSign(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	const query, alike = `{limits {maxPages}}`, `Did you mean \"maxPage\"`
	if got := a.as("alice").refused(t, query, nil, refusedDocument); !strings.Contains(got.body, alike) {
		t.Errorf("signed: %s", got.body)
	}
	if got := a.as("").refused(t, query, nil, refusedDocument); strings.Contains(got.body, "Did you mean") {
		t.Errorf("unsigned: %s", got.body)
	}
	many := a.as("alice").refused(t, `{limits {`+aliases(20, "maxPages")+`}}`, nil, refusedDocument)
	if n := strings.Count(many.body, "Did you mean"); n > 3 {
		t.Errorf("%d suggestions", n)
	}
}

func TestIntrospectionTurnedOff(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{noIntrospection: true})
	for _, c := range []client{a.as(""), a.as("alice")} {
		for _, query := range []string{
			`{__schema {queryType {name}}}`,
			`{__type(name: "Record") {name}}`,
			`{...A} fragment A on Query {... {x: __schema {queryType {name}}}}`,
		} {
			refused := c.refused(t, query, nil, refusal{400, "GRAPHQL_VALIDATION_FAILED", ""})
			tree{t, refused.Errors[0].Extensions}.is("INTROSPECTION_DISABLED", "reason")
		}
		c.ok(t, `{__typename limits {__typename}}`, nil).is("Limits", "limits", "__typename")
	}
}
