package graph_test

import (
	"fmt"
	"net/http"
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
			reports <- fmt.Sprint(report.Fields(), report.Codes())
		})
	}})
	for query, want := range map[string]string{
		`{viewer {id} a: limits {maxPage} ...F} fragment F on Query {b: limits {maxPage}}`: "[viewer limits] []",
		`mutation Save {setRecord(input: {id: "a", data: "?"}) {status}}`:                  "[setRecord] [BAD_USER_INPUT]",
		`{`:         "[] [GRAPHQL_PARSE_FAILED]",
		`{nothing}`: "[] [GRAPHQL_VALIDATION_FAILED]",
		`{changes(first: 0) {head} record(id: "") {id}}`: "[changes record] [BAD_USER_INPUT]",
	} {
		a.as("alice").do(t, query, nil)
		if got := <-reports; got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	a.as("").do(t, viewer, nil)
	if got, want := <-reports, "[viewer] [UNAUTHENTICATED]"; got != want {
		t.Errorf("unsigned: got %s, want %s", got, want)
	}
}
