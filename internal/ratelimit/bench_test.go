package ratelimit_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"syncline/auth"
	"syncline/internal/clientaddr"
	"syncline/internal/ratelimit"
)

// BenchmarkGate is a write over HTTP that does nothing: the difference of the two
// is what limits cost.
func BenchmarkGate(b *testing.B) {
	b.Run("off", func(b *testing.B) { benchmark(b, nil) })
	b.Run("on", func(b *testing.B) {
		benchmark(b, ratelimit.New(ratelimit.Limits{
			Cost: 1e9, BytesIn: 1e9, BytesOut: 1e9, Connects: 1e9, Connections: 1e9, Subscriptions: 1e9, AddressFactor: 4,
		}, ratelimit.Options{Log: slog.New(slog.DiscardHandler)}))
	})
}

func benchmark(b *testing.B, gate *ratelimit.Gate) {
	handler := gate.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		ctx := auth.NewContext(r.Context(), auth.Principal{Key: keyOf("a")})
		if gate.Admit(ctx) != nil || gate.Charge(ctx, ast.Mutation, 86) != nil {
			b.Error("refused")
		}
		_, _ = io.WriteString(w, "{}")
	}))
	address := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader("{}"))
		handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(clientaddr.NewContext(r.Context(), address)))
	}
}
