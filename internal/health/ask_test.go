package health_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"syncline/internal/health"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	h := health.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", h.Ready)
	server := httptest.NewServer(mux)
	address := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(address) // it listens on it
	for _, address := range []string{address, ":" + port, "0.0.0.0:" + port} {
		if err := health.Ask(t.Context(), address, false); err != nil {
			t.Errorf("%s, ready: %v", address, err)
		}
	}
	h.Drain()
	if err := health.Ask(t.Context(), address, false); err == nil || !strings.Contains(err.Error(), "draining") {
		t.Errorf("draining: %v", err)
	}
	server.Close()
	if err := health.Ask(t.Context(), address, false); err == nil {
		t.Error("nobody listens, and it says ready")
	}
}
