// Syncline keeps an app's data in step across a user's devices. See README.md.
package main

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"syncline/auth"
	"syncline/auth/recovery/guarded"
	"syncline/feed"
	"syncline/graph"
	"syncline/graph/telemetry"
	"syncline/graph/transport"
	"syncline/internal/budget"
	"syncline/internal/command"
	"syncline/internal/commandline"
	"syncline/internal/config"
	"syncline/internal/crossorigin"
	"syncline/internal/health"
	"syncline/internal/lifecycle"
	"syncline/internal/logqueue"
	"syncline/internal/metrics"
	"syncline/internal/playground"
	"syncline/internal/ratelimit"
	"syncline/internal/servercert"
	"syncline/internal/tracing"
	"syncline/locks"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/records"
	"syncline/storage/retention"
)

//go:embed schema.graphql
var schema string

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	stderr := logqueue.New(os.Stderr)
	code := command.Run(ctx, os.Args[1:], command.Program{
		Environ: os.Environ(), Stdout: os.Stdout, Stderr: stderr,
		Serve: func(ctx context.Context, cfg config.Config, db *storage.DB) error {
			return serve(ctx, cfg, db, stderr)
		},
	})
	stderr.Flush(flushTime)
	os.Exit(code)
}

// flushTime is how long the last lines of the log may take to be read.
const flushTime = time.Second

func serve(ctx context.Context, cfg config.Config, db *storage.DB, stderr *logqueue.Queue) error {
	log := newLog(cfg, stderr)
	for _, warning := range slices.Concat(cfg.Warnings, db.Warnings) {
		log.Warn(warning)
	}
	db.OnFault(func(err error) { log.Error("the database cannot be trusted any more", "error", err) })
	figures := metrics.New()
	figures.Gauge("syncline_log_lines_dropped", "Lines of the log that nobody read in time, or at all.", func() float64 { return float64(stderr.Dropped()) })
	memory := budget.NewMemory(int64(cfg.MemoryBudget))
	memory.CollectSeldom()
	watchMemory(memory, figures)
	if cfg.NonceMemory == 0 {
		cfg.NonceMemory = memory.Nonces(auth.DefaultNonceCapacity)
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = memory.Connections()
	}
	tracer, err := newTracer(ctx, cfg, log)
	if err != nil {
		return err
	}
	engine := db.NewEngine()
	if tracer != nil {
		defer closeTracer(tracer, cfg.ShutdownTimeout/10, log)
		engine.OnUnit(tracer.Unit)
	}
	shared, err := coordinate(ctx, cfg, db, engine, figures, log)
	if err != nil {
		return err
	}
	defer shared.close()
	if tracer != nil {
		shared.bus = tracer.Bus(shared.bus)
	}
	shown, err := newServerCertificate(cfg, figures, log)
	if err != nil {
		return err
	}
	certificates, err := newCertificates(cfg, log)
	if err != nil {
		return err
	}
	recovery := guarded.New(cfg.SignatureRecovery, log)
	figures.Gauge("syncline_recovery_differences", "Public keys on which own arithmetic and decred's differed.", func() float64 { return float64(recovery.Differences()) })
	verifier, err := newVerifier(cfg, shared, certificates, recovery, memory.Input)
	if err != nil {
		return err
	}
	shared.checks = append(shared.checks, health.Check{Name: "recovery", Degrades: true, Failing: "decred", Probe: func(context.Context) error {
		if recovery.Distrusted() {
			return errors.New("own arithmetic recovered a wrong key: decred's answers instead")
		}
		return nil
	}})
	store := records.New(db, engine)
	defer closeEngine(engine, cfg.ShutdownTimeout/10)
	tombstones, mutations := time.Duration(cfg.TombstoneRetention), time.Duration(cfg.MutationRetention)
	quota := record.Quota{Records: int64(cfg.QuotaRecords), Bytes: int64(cfg.QuotaBytes)}
	sweeper := retention.New(db.Read, engine, retention.Config{Tombstones: tombstones, Mutations: mutations, Quota: quota}, time.Now, log)
	store.WhenTracesExceed(sweeper.TracesExceed)
	countStorage(db, engine, sweeper, figures)
	shared.fences.LimitOwners(quota, sweeper.TracesExceed)
	records := record.NewService(store, shared.bus, log)
	records.LimitOwners(quota)
	records.OnCommit(func(c record.Commit) {
		if c.Erased > 0 {
			sweeper.PurgeErased()
		}
	})
	if cfg.MinFreeDisk > 0 && db.Directory() != "" {
		shared.checks = append(shared.checks, limitGrowth(cfg, records, figures, log))
	}
	feeds := feed.New(records, shared.bus, cfg.FeedPollInterval, log)
	lockService := locks.NewService(shared.locker, shared.bus, cfg.FeedPollInterval, log)
	limitOwners(cfg, records, lockService)
	requests := newTelemetry(cfg, figures, tracer, log)
	origins := crossorigin.New(crossorigin.GraphQL, cfg.AllowedOrigins, cfg.AllowedHeaders, log)
	gate := newGate(cfg, records, shared, figures, log)
	transports := newTransports(cfg, verifier, gate, requests, origins, memory, figures, tracer)
	countOpen(transports, feeds, figures)
	api := graph.NewServer(graph.Config{
		Records: records, Feed: feeds, Locks: lockService, Log: log, Introspection: cfg.Introspection, Limiter: gate, Rates: rates(cfg),
		Quota: quota, TombstoneRetention: tombstones, MutationRetention: mutations, Now: shared.now,
	})
	transports.Install(api)
	state := health.New(checks(db, shared, certificates)...)
	countChecks(state, figures)

	mux := routes(cfg, state, origins, gate, requests.Middleware(origins.Handler(shared.onlyOneDatabase(gate.Middleware(verifier.Middleware(api))))))
	server := lifecycle.Server{
		Listeners: []lifecycle.Listener{{
			Name:        "clients",
			Address:     cfg.ListenAddress,
			SocketMode:  fs.FileMode(cfg.ListenSocketMode),
			Connections: lifecycle.Connections{Most: cfg.MaxConnections, Trusted: cfg.TrustedProxies.Trusts},
			Handler:     cfg.TrustedProxies.Middleware(mux),
		}},
		Loops: []func(context.Context) error{feeds.Run, lockService.Run, gate.Run, shared.run, recovery.Run, sweeper.Run, func(ctx context.Context) error {
			return shared.whileHintsAreLost(ctx, func() { feeds.PollSoon(); lockService.PollSoon() })
		}},
		Leave:   state.Drain,
		Delay:   cfg.DrainDelay,
		Drain:   transports.Shutdown,
		Timeout: cfg.ShutdownTimeout,
		Log:     log,
	}
	if cfg.BreezCompatibility {
		calls := newBreez(cfg, store, records, feeds, lockService, shared, verifier, recovery.PublicKey, gate, memory.Output, figures, log)
		serveBreez(&server, mux, calls, cfg, log)
	}
	if shown != nil {
		for i := range server.Listeners {
			server.Listeners[i].TLS = shown.Config()
		}
		server.Loops = append(server.Loops, shown.Run)
	}
	if certificates != nil {
		server.Loops = append(server.Loops, func(ctx context.Context) error { certificates.Run(ctx); return nil })
	}
	if cfg.MetricsListenAddress != "" {
		figures.ShowAtRoot(newOperatorPage(db, state, figures, log))
		server.Loops = append(server.Loops, measure(db, figures, log))
		server.Listeners = append(server.Listeners, lifecycle.Listener{Name: "metrics", Address: cfg.MetricsListenAddress, Handler: figures.Handler(cfg.MetricsHosts...)})
	}
	log.Info("starting", "version", commandline.Version(), "database", db.Dialect, "redis", cfg.RedisURL != "")
	// A second at most, though the clock was set back meanwhile: signatures from before are refused all the same.
	<-time.After(min(time.Second, time.Until(shared.serveFrom)))
	return server.Run(ctx)
}

// closeEngine waits a moment for units of work that the drain cut off from their clients.
func closeEngine(engine *commit.Engine, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	engine.Close(ctx)
}

func routes(cfg config.Config, state *health.Health, origins *crossorigin.Policy, gate *ratelimit.Gate, api http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	mux.Handle("GET /schema.graphql", origins.Handler(gate.Middleware(transport.Schema(schema))))
	mux.HandleFunc("GET /livez", state.Live)
	mux.HandleFunc("GET /readyz", state.Ready)
	if cfg.Playground {
		for _, pattern := range []string{"GET /{$}", "GET /assets/", "GET /licenses.md"} {
			mux.Handle(pattern, gate.Middleware(http.HandlerFunc(playground.Serve)))
		}
	}
	return mux
}

// newServerCertificate is nil if the server is to speak plain HTTP.
func newServerCertificate(cfg config.Config, figures *metrics.Metrics, log *slog.Logger) (*servercert.Files, error) {
	if !cfg.TLS() {
		return nil, nil
	}
	files, err := servercert.Open(cfg.TLSCertFile, cfg.TLSKeyFile, log)
	if err != nil {
		return nil, fmt.Errorf("TLS_CERT_FILE: %w", err)
	}
	figures.Gauge("syncline_tls_certificate_end_seconds", "When the certificate that is shown ends, in Unix time.", func() float64 { return float64(files.Leaf().NotAfter.Unix()) })
	figures.Gauge("syncline_tls_certificate_broken", "1 while TLS_CERT_FILE and TLS_KEY_FILE hold something else than what is shown, which cannot be used.", func() float64 {
		if files.Broken() {
			return 1
		}
		return 0
	})
	return files, nil
}

// newCertificates is nil if none are asked for.
func newCertificates(cfg config.Config, log *slog.Logger) (*auth.Certificates, error) {
	if cfg.CACert == "" {
		return nil, nil
	}
	certificates, err := auth.NewCertificates(cfg.CACert, auth.CertificateOptions{RevocationURL: cfg.CRLURL, MaxListAge: cfg.CRLMaxAge, Logger: log})
	if err != nil {
		return nil, err // names its variable
	}
	return certificates, nil
}

func newVerifier(cfg config.Config, shared coordination, certificates *auth.Certificates, recovery *guarded.Recovery, input *budget.Pool) (*auth.Verifier, error) {
	authorities, err := auth.ParseAuthorities(cfg.PublicAuthorities)
	if err != nil {
		return nil, fmt.Errorf("PUBLIC_AUTHORITIES: %w", err)
	}
	return auth.NewVerifier(authorities, shared.nonces, auth.Options{
		Certificates:    certificates,
		Recover:         recovery.PublicKey,
		RefuseBefore:    shared.refuseBefore,
		Durable:         shared.durable,
		Now:             shared.now,
		MaxRequestBytes: graph.MaxRequestBytes,
		Budget:          input,
	}), nil
}

func newTransports(cfg config.Config, verifier *auth.Verifier, gate *ratelimit.Gate, requests *telemetry.Recorder, origins *crossorigin.Policy, memory budget.Memory, figures *metrics.Metrics, tracer *tracing.Tracer) *transport.Transports {
	sent, tooSlow := countDelivery(figures, tracer)
	return transport.New(transport.Config{
		MaxRequestBytes:   graph.MaxRequestBytes,
		MaxOperations:     cfg.MaxOperationsPerConnection,
		MaxAge:            cfg.ConnectionMaxAge,
		Drain:             cfg.ShutdownTimeout / 10,
		MaxUnacknowledged: cfg.MaxConnections / 8,
		Input:             memory.Input,
		Output:            memory.Output,
		CheckOrigin:       origins.AllowsSocket,
		Init: func(ctx context.Context, upgrade *http.Request, payload map[string]any) (context.Context, error) {
			ctx, done := requests.Initialisation(ctx, payload)
			principal, err := verifier.VerifyInit(ctx, upgrade, payload)
			if err == nil {
				err = gate.Connected(ctx, principal)
			}
			done(err)
			if err != nil {
				return nil, err
			}
			return auth.NewContext(ctx, principal), nil
		},
		Recheck: func(ctx context.Context) error {
			principal, _ := auth.FromContext(ctx)
			return verifier.Recheck(principal)
		},
		Around: requests.Operation,
		Pace:   gate.Pace,
		Sent:   sent, TooSlow: tooSlow,
	})
}

func checks(db *storage.DB, shared coordination, certificates *auth.Certificates) []health.Check {
	checks := append([]health.Check{{Name: "database", Probe: db.Ping}}, shared.checks...)
	if certificates != nil {
		checks = append(checks, health.Check{Name: "revocations", Probe: func(context.Context) error {
			if !certificates.Ready() {
				return errors.New("there is no list of revoked certificates that is recent")
			}
			return nil
		}})
	}
	return checks
}

func newLog(cfg config.Config, stderr *logqueue.Queue) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(stderr, options)
	if cfg.LogFormat == config.LogJSON {
		options.ReplaceAttr = withUnit
		handler = slog.NewJSONHandler(stderr, options)
	}
	log := slog.New(handler)
	stderr.OnDropped(func(lines int64) { log.Warn("the log was not read fast enough: lines are missing", "lines", lines) })
	return log
}

// withUnit writes durations as numbers of milliseconds, and their unit into their
// names: tookMs. Programs read them, and compare them.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"Ms", float64(a.Value.Duration().Microseconds())/1000)
	}
	return a
}

func newTelemetry(cfg config.Config, figures *metrics.Metrics, tracer *tracing.Tracer, log *slog.Logger) *telemetry.Recorder {
	var options []telemetry.Option
	if cfg.LogAddresses {
		options = append(options, telemetry.WithAddresses())
	}
	if tracer != nil {
		options = append(options, telemetry.WithTracer(tracer))
	}
	return telemetry.New(log, figures, options...)
}

// newTracer is nil if nothing is to be traced.
func newTracer(ctx context.Context, cfg config.Config, log *slog.Logger) (*tracing.Tracer, error) {
	if cfg.TracesURL() == "" {
		return nil, nil
	}
	return tracing.New(ctx, tracing.Config{
		URL: cfg.TracesURL(), Headers: cfg.TraceHeaders(),
		Sampler: tracing.Sampler{Name: cfg.OTelSampler, Ratio: cfg.TraceRatio()},
		Service: cfg.OTelService, Version: commandline.Version(),
	}, log)
}

// closeTracer waits a moment for the last traces.
func closeTracer(tracer *tracing.Tracer, timeout time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := tracer.Shutdown(ctx); err != nil {
		log.Warn("traces are lost", "error", err)
	}
}
