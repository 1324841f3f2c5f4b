package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/breez"
	"syncline/feed"
	"syncline/internal/budget"
	"syncline/internal/config"
	"syncline/internal/crossorigin"
	"syncline/internal/lifecycle"
	"syncline/internal/metrics"
	"syncline/internal/ratelimit"
	"syncline/locks"
	"syncline/record"
	"syncline/storage/records"
)

// maxGRPCStreams bounds the calls at once of a connection to GRPC_LISTEN_ADDRESS,
// as data-sync does.
const maxGRPCStreams = 5

// newBreez serves the clients of Breez data-sync by what serves all others.
func newBreez(cfg config.Config, store *records.Store, written *record.Service, feeds *feed.Feed, lockService *locks.Service, shared coordination, verifier *auth.Verifier,
	recoverKey signing.Recoverer, gate *ratelimit.Gate, output *budget.Pool, figures *metrics.Metrics, log *slog.Logger,
) *breez.Service {
	var pulls breez.Pulls
	if cfg.DatabaseURL != "" && cfg.RedisURL == "" { // instances have nothing in common but the database
		pulls = store
	}
	calls := breez.New(breez.Config{
		Records: written, Feed: feeds, Locks: lockService, Bus: shared.bus, Pulls: pulls, PollInterval: cfg.FeedPollInterval,
		Verifier: verifier, Recover: recoverKey, Limiter: gate, Output: output,
		MaxStreams: cfg.MaxConnections, MaxAge: cfg.ConnectionMaxAge, Log: log,
		Observe: figures.Observe, Refused: func(code string) { figures.Refused("call", code) },
		Guard: func(next http.Handler) http.Handler { return shared.onlyOneDatabase(gate.Middleware(next)) },
	})
	figures.Gauge("syncline_breez_streams", "Open calls of ListenChanges.", func() float64 { return float64(calls.Streams()) })
	return calls
}

// serveBreez adds its paths to those of the API, and its own listeners.
func serveBreez(server *lifecycle.Server, api *http.ServeMux, calls *breez.Service, cfg config.Config, log *slog.Logger) {
	origins := crossorigin.New(crossorigin.GRPCWeb, cfg.AllowedOrigins, cfg.AllowedHeaders, log)
	only := http.NewServeMux()
	for _, mux := range []*http.ServeMux{api, only} {
		mux.Handle(breez.Prefix, origins.Handler(calls))
		mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") })
	}
	server.Listeners[0].HTTP2 = true
	for _, l := range []lifecycle.Listener{
		{Name: "gRPC", Address: cfg.GRPCListenAddress, MaxStreams: maxGRPCStreams},
		{Name: "gRPC-Web", Address: cfg.GRPCWebListenAddress},
	} {
		if l.Address != "" {
			l.Handler, l.HTTP2, l.Connections = cfg.TrustedProxies.Middleware(only), true, server.Listeners[0].Connections
			server.Listeners = append(server.Listeners, l)
		}
	}
	for i := range server.Listeners { // what clients may have open, they share
		server.Listeners[i].Connections.Most = max(1, cfg.MaxConnections/len(server.Listeners))
	}
	server.Loops = append(server.Loops, calls.Run)
	others := server.Drain
	server.Drain = func(ctx context.Context) error {
		var group errgroup.Group
		group.Go(func() error { return calls.Shutdown(ctx) })
		group.Go(func() error { return others(ctx) })
		return group.Wait()
	}
}

// refuse answers what is not let through, in the protocol that was spoken.
func refuse(w http.ResponseWriter, r *http.Request, err *auth.Error) {
	if breez.Serves(r) {
		breez.Refuse(w, r, err)
		return
	}
	err.ServeHTTP(w, r)
}
