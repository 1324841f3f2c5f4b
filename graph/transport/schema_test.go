package transport_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"syncline/graph/transport"
)

func TestSchemaIsServedAsItIs(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	transport.Schema("type Query { a: Int }")(w, httptest.NewRequest(http.MethodGet, "/schema.graphql", nil))
	if got := w.Body.String(); got != "type Query { a: Int }" {
		t.Errorf("got %q", got)
	}
}
