// Syncline keeps an app's data in step across a user's devices. See README.md.
package main

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"entgo.io/ent/dialect"

	"syncline/auth"
	"syncline/auth/recovery/guarded"
	"syncline/feed"
	"syncline/graph"
	"syncline/graph/transport"
	"syncline/internal/accesslog"
	"syncline/internal/budget"
	"syncline/internal/config"
	"syncline/internal/crossorigin"
	"syncline/internal/health"
	"syncline/internal/lifecycle"
	"syncline/internal/logqueue"
	"syncline/internal/metrics"
	"syncline/internal/pages"
	"syncline/internal/ratelimit"
	"syncline/locks"
	"syncline/record"
	"syncline/record/entstore"
	"syncline/storage"
	"syncline/storage/retention"
)

//go:embed schema.graphql
var schema string

const usage = `usage: syncline [command]

commands:
  serve        serve the API (the default)
  migrate      bring the database up to date and exit; serve does so too
  new-epoch    begin a new history after a restore from backup, before serving:
               cursors of the lost one are refused, revisions go on above it
  healthcheck  ask the server at LISTEN_ADDRESS whether it is ready
  version      print the version

The configuration comes from the environment: see the table in README.md.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	stderr := logqueue.New(os.Stderr)
	err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "syncline:", err) // never fails
	}
	stderr.Flush(flushTime)
	if err != nil {
		os.Exit(1)
	}
}

// flushTime is how long the last lines of the log may take to be read.
const flushTime = time.Second

func run(ctx context.Context, args, environ []string, stdout io.Writer, stderr *logqueue.Queue) error {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	if len(args) > 1 {
		return errors.New("too many arguments: see syncline help")
	}
	switch command {
	case "version":
		_, err := fmt.Fprintln(stdout, "syncline", version())
		return err
	case "help", "-h", "--help":
		_, err := io.WriteString(stdout, usage)
		return err
	case "healthcheck":
		cfg, err := config.Load(environ)
		if err != nil {
			return err
		}
		return health.Ask(ctx, cfg.ListenAddress)
	case "serve":
		signal.Ignore(syscall.SIGPIPE) // of a log that nobody reads any more
		return withDatabase(ctx, environ, func(ctx context.Context, cfg config.Config, db *storage.DB) error {
			return serve(ctx, cfg, db, stderr)
		})
	case "migrate":
		return withDatabase(ctx, environ, func(context.Context, config.Config, *storage.DB) error { return nil })
	case "new-epoch":
		return withDatabase(ctx, environ, func(ctx context.Context, _ config.Config, db *storage.DB) error {
			base, err := db.NewEpoch(ctx, time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(stdout, "a new epoch began; revisions go on above", base)
			return err
		})
	}
	return fmt.Errorf("unknown command %q: see syncline help", command)
}

// withDatabase opens the configured database, brings it up to date and lends it.
func withDatabase(ctx context.Context, environ []string, use func(context.Context, config.Config, *storage.DB) error) (err error) {
	cfg, err := config.Load(environ)
	if err != nil {
		return err
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return use(ctx, cfg, db)
}

func open(ctx context.Context, cfg config.Config) (*storage.DB, error) {
	if cfg.DatabaseURL != "" {
		db, err := storage.OpenPostgres(ctx, cfg.DatabaseURL, storage.WithMaxConnections(cfg.DatabaseMaxConnections))
		return db, named("DATABASE_URL", err)
	}
	db, err := storage.OpenSQLite(ctx, cfg.SQLiteDirPath)
	return db, named("SQLITE_DIR_PATH", err)
}

// named adds the variable that an error comes from, as operators look for it.
func named(variable string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", variable, err)
}

func serve(ctx context.Context, cfg config.Config, db *storage.DB, stderr *logqueue.Queue) error {
	log := newLog(cfg, stderr)
	for _, warning := range db.Warnings {
		log.Warn(warning)
	}
	figures := metrics.New()
	figures.Gauge("syncline_log_lines_dropped", "Lines of the log that nobody read in time, or at all.", func() float64 { return float64(stderr.Dropped()) })
	memory := budget.NewMemory(int64(cfg.MemoryBudget))
	watchMemory(memory, figures)
	if cfg.NonceMemory == 0 {
		cfg.NonceMemory = memory.Nonces(auth.DefaultNonceCapacity)
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = memory.Connections()
	}
	shared, err := coordinate(ctx, cfg, db, figures, log)
	if err != nil {
		return err
	}
	defer shared.close()
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
	store := entstore.New(db.Write, db.Read, db.Dialect)
	defer closeStore(store, cfg.ShutdownTimeout/10)
	figures.Gauge("syncline_writes_waiting", "Writes that wait for a transaction.", func() float64 { return float64(store.Waiting()) })
	tombstones, mutations := time.Duration(cfg.TombstoneRetention), time.Duration(cfg.MutationRetention)
	sweeper := retention.New(db.Read, store.Engine(), tombstones, mutations, time.Now, log)
	records := record.NewService(store, shared.bus, log)
	quota := record.Quota{Records: int64(cfg.QuotaRecords), Bytes: int64(cfg.QuotaBytes)}
	records.LimitOwners(quota)
	if cfg.MinFreeDisk > 0 && db.Dialect == dialect.SQLite {
		shared.checks = append(shared.checks, limitGrowth(cfg, records, figures, log))
	}
	feeds := feed.New(records, shared.bus, cfg.FeedPollInterval, log)
	lockService := locks.NewService(shared.locker, shared.bus, cfg.FeedPollInterval, log)
	requests := newAccessLog(cfg, figures, log)
	origins := crossorigin.New(cfg.AllowedOrigins, cfg.AllowedHeaders, log)
	gate := newGate(cfg, records, shared, figures, log)
	transports := newTransports(cfg, verifier, gate, requests, origins, memory)
	api := graph.NewServer(graph.Config{
		Records: records, Feed: feeds, Locks: lockService, Log: log, Introspection: cfg.Introspection, Limiter: gate, Rates: rates(cfg),
		Quota: quota, TombstoneRetention: tombstones, MutationRetention: mutations,
	})
	transports.Install(api)
	state := health.New(checks(db, shared, certificates)...)

	server := lifecycle.Server{
		Listeners: []lifecycle.Listener{{
			Name:        "clients",
			Address:     cfg.ListenAddress,
			Connections: lifecycle.Connections{Most: cfg.MaxConnections, Trusted: cfg.TrustedProxies.Trusts},
			Handler:     cfg.TrustedProxies.Middleware(routes(cfg, state, origins, gate, requests.Middleware(origins.Handler(gate.Middleware(verifier.Middleware(api)))))),
		}},
		Loops: []func(context.Context) error{feeds.Run, lockService.Run, gate.Run, shared.run, recovery.Run, sweeper.Run, func(ctx context.Context) error {
			return shared.whileHintsAreLost(ctx, func() { feeds.PollSoon(); lockService.PollSoon() })
		}},
		Drain: func(ctx context.Context) error {
			state.Drain()
			return transports.Shutdown(ctx)
		},
		Timeout: cfg.ShutdownTimeout,
		Log:     log,
	}
	if certificates != nil {
		server.Loops = append(server.Loops, func(ctx context.Context) error { certificates.Run(ctx); return nil })
	}
	if cfg.MetricsListenAddress != "" {
		server.Listeners = append(server.Listeners, lifecycle.Listener{Name: "metrics", Address: cfg.MetricsListenAddress, Handler: figures.Handler(cfg.MetricsHosts...)})
	}
	log.Info("starting", "version", version(), "database", db.Dialect, "redis", cfg.RedisURL != "")
	<-time.After(time.Until(shared.serveFrom))
	return server.Run(ctx)
}

// closeStore waits a moment for writes that the drain cut off from their clients.
func closeStore(store *entstore.Store, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	store.Close(ctx)
}

func routes(cfg config.Config, state *health.Health, origins *crossorigin.Policy, gate *ratelimit.Gate, api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	mux.Handle("GET /schema.graphql", origins.Handler(gate.Middleware(pages.Schema(schema))))
	mux.HandleFunc("GET /livez", state.Live)
	mux.HandleFunc("GET /readyz", state.Ready)
	if cfg.Playground {
		for _, pattern := range []string{"GET /{$}", "GET /assets/", "GET /licenses.md"} {
			mux.Handle(pattern, gate.Middleware(http.HandlerFunc(pages.Playground)))
		}
	}
	return mux
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
		MaxRequestBytes: graph.MaxRequestBytes,
		Budget:          input,
	}), nil
}

func newTransports(cfg config.Config, verifier *auth.Verifier, gate *ratelimit.Gate, requests *accesslog.Log, origins *crossorigin.Policy, memory budget.Memory) *transport.Transports {
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
			refused := requests.Initialisation(ctx)
			principal, err := verifier.VerifyInit(ctx, upgrade, payload)
			if err == nil {
				err = gate.Connected(ctx, principal)
			}
			if err != nil {
				refused(err)
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
		handler = slog.NewJSONHandler(stderr, options)
	}
	log := slog.New(handler)
	stderr.OnDropped(func(lines int64) { log.Warn("the log was not read fast enough: lines are missing", "lines", lines) })
	return log
}

func newAccessLog(cfg config.Config, figures *metrics.Metrics, log *slog.Logger) *accesslog.Log {
	if cfg.LogAddresses {
		return accesslog.New(log, figures.Observe, accesslog.WithAddresses())
	}
	return accesslog.New(log, figures.Observe)
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
