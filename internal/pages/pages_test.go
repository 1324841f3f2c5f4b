package pages_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"syncline/internal/pages"
)

func TestIndexNamesWhatThereIs(t *testing.T) {
	w := httptest.NewRecorder()
	pages.Index(w, httptest.NewRequest(http.MethodGet, "/", nil))
	for _, want := range []string{"/graphql", "/schema.graphql", "README"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page does not name %s", want)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %q lets the page load things", policy)
	}
}

func TestSchemaIsServedAsItIs(t *testing.T) {
	w := httptest.NewRecorder()
	pages.Schema("type Query { a: Int }")(w, httptest.NewRequest(http.MethodGet, "/schema.graphql", nil))
	if got := w.Body.String(); got != "type Query { a: Int }" {
		t.Errorf("got %q", got)
	}
}
