package pages_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"syncline/internal/pages"
)

func TestSchemaIsServedAsItIs(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	pages.Schema("type Query { a: Int }")(w, httptest.NewRequest(http.MethodGet, "/schema.graphql", nil))
	if got := w.Body.String(); got != "type Query { a: Int }" {
		t.Errorf("got %q", got)
	}
}
