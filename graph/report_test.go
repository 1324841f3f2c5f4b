package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"syncline/graph"
)

func TestReportOfARequest(t *testing.T) {
	t.Parallel()
	reports := make(chan string, 1)
	a := newAPI(t, options{middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, report := graph.WithReport(r.Context())
			next.ServeHTTP(w, r.WithContext(ctx))
			var fields []string
			for _, field := range report.Fields() {
				fields = append(fields, strings.Join(append([]string{field.Name}, field.Codes...), ":"))
			}
			reports <- fmt.Sprint(fields, report.Codes())
		})
	}})
	for query, want := range map[string]string{
		`{viewer {id} a: limits {maxPage} ...F} fragment F on Query {b: limits {maxPage}}`: "[viewer limits limits] []",
		`mutation Save {setRecord(input: {id: "a", data: "?"}) {status}}`:                  "[setRecord:BAD_USER_INPUT] [BAD_USER_INPUT]",
		`{`:         "[] [GRAPHQL_PARSE_FAILED]",
		`{nothing}`: "[] [GRAPHQL_VALIDATION_FAILED]",
		`{changes(first: 0) {head} record(id: "") {id}}`: "[changes:BAD_USER_INPUT record:BAD_USER_INPUT] [BAD_USER_INPUT]",
		// Each has an outcome of its own, not its siblings'.
		`{viewer {id} changes(since: "AXLknn4RuyhCAg") {head} a: record(id: "") {id} b: record(id: "b") {id}}`:          "[viewer changes:EPOCH_MISMATCH record:BAD_USER_INPUT record] [BAD_USER_INPUT EPOCH_MISMATCH]",
		`mutation {a: setRecord(input: {id: "", data: ""}) {status} b: setRecord(input: {id: "b", data: ""}) {status}}`: "[setRecord:BAD_USER_INPUT setRecord] [BAD_USER_INPUT]",
	} {
		a.as("alice").do(t, query, nil)
		if got := <-reports; got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	a.as("").do(t, viewer, nil)
	if got, want := <-reports, "[viewer:UNAUTHENTICATED] [UNAUTHENTICATED]"; got != want {
		t.Errorf("unsigned: got %s, want %s", got, want)
	}
}
