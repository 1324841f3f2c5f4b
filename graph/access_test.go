package graph_test

import (
	"net/http"
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
