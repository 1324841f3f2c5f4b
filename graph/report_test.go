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
			reports <- fmt.Sprint(report.LogValue(), report.Fields(), report.Codes())
		})
	}})
	for query, want := range map[string]string{
		`{viewer {id} a: limits {maxPage} ...F} fragment F on Query {b: limits {maxPage}}`: "[operation=query fields=viewer,limits outcome=ok] [viewer limits] []",
		`mutation Save {setRecord(input: {id: "a", data: "?"}) {status}}`:                  "[operation=mutation name=Save fields=setRecord outcome=BAD_USER_INPUT] [setRecord] [BAD_USER_INPUT]",
		`{`:         "[outcome=GRAPHQL_PARSE_FAILED] [] [GRAPHQL_PARSE_FAILED]",
		`{nothing}`: "[outcome=GRAPHQL_VALIDATION_FAILED] [] [GRAPHQL_VALIDATION_FAILED]",
		`{changes(first: 0) {head} record(id: "") {id}}`:            "[operation=query fields=changes,record outcome=BAD_USER_INPUT] [changes record] [BAD_USER_INPUT]",
		"query " + strings.Repeat("N", 100) + ` {limits {maxPage}}`: "[operation=query name=" + strings.Repeat("N", 64) + " fields=limits outcome=ok] [limits] []",
	} {
		a.as("alice").do(t, query, nil)
		if got := <-reports; got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	a.as("").do(t, viewer, nil)
	if got, want := <-reports, "[operation=query fields=viewer outcome=UNAUTHENTICATED] [viewer] [UNAUTHENTICATED]"; got != want {
		t.Errorf("unsigned: got %s, want %s", got, want)
	}
}
