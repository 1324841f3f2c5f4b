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
	"syncline/auth/dbnonce"
	"syncline/auth/recovery/guarded"
	"syncline/auth/redisnonce"
	"syncline/feed"
	"syncline/graph"
	"syncline/graph/model"
	"syncline/graph/transport"
	"syncline/internal/accesslog"
	"syncline/internal/budget"
	"syncline/internal/config"
	"syncline/internal/crossorigin"
	"syncline/internal/database"
	"syncline/internal/diskspace"
	"syncline/internal/health"
	"syncline/internal/lifecycle"
	"syncline/internal/logqueue"
	"syncline/internal/metrics"
	"syncline/internal/pages"
	"syncline/internal/ratelimit"
	"syncline/internal/ratelimit/redisrates"
	"syncline/internal/redisclient"
	"syncline/locks"
	"syncline/locks/dblock"
	"syncline/locks/redislock"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
	"syncline/pubsub/redisbus"
	"syncline/record"
	"syncline/record/entstore"
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
		return withDatabase(ctx, environ, func(ctx context.Context, cfg config.Config, db *database.DB) error {
			return serve(ctx, cfg, db, stderr)
		})
	case "migrate":
		return withDatabase(ctx, environ, func(context.Context, config.Config, *database.DB) error { return nil })
	case "new-epoch":
		return withDatabase(ctx, environ, func(ctx context.Context, _ config.Config, db *database.DB) error {
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
func withDatabase(ctx context.Context, environ []string, use func(context.Context, config.Config, *database.DB) error) (err error) {
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

func open(ctx context.Context, cfg config.Config) (*database.DB, error) {
	if cfg.DatabaseURL != "" {
		db, err := database.OpenPostgres(ctx, cfg.DatabaseURL, database.WithMaxConnections(cfg.DatabaseMaxConnections))
		return db, named("DATABASE_URL", err)
	}
	db, err := database.OpenSQLite(ctx, cfg.SQLiteDirPath)
	return db, named("SQLITE_DIR_PATH", err)
}

// named adds the variable that an error comes from, as operators look for it.
func named(variable string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", variable, err)
}

func serve(ctx context.Context, cfg config.Config, db *database.DB, stderr *logqueue.Queue) error {
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

// watchMemory shows what requests hold.
func watchMemory(memory budget.Memory, figures *metrics.Metrics) {
	figures.Gauge("syncline_input_bytes", "Memory granted to requests for what they brought, of half of MEMORY_BUDGET.", func() float64 { return float64(memory.Input.Used()) })
	figures.Gauge("syncline_output_bytes", "Memory granted to requests for what they answer, of half of MEMORY_BUDGET.", func() float64 { return float64(memory.Output.Used()) })
	figures.Gauge("syncline_memory_waiting", "Requests that wait for memory.", func() float64 { return float64(memory.Input.Waiting() + memory.Output.Waiting()) })
	figures.Gauge("syncline_memory_refused", "Requests refused so far because no memory was left for them.", func() float64 { return float64(memory.Input.Refused() + memory.Output.Refused()) })
}

// closeStore waits a moment for writes that the drain cut off from their clients.
func closeStore(store *entstore.Store, patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	store.Close(ctx)
}

// limitGrowth keeps some of the disk free, so that all but growth goes on.
func limitGrowth(cfg config.Config, records *record.Service, figures *metrics.Metrics, log *slog.Logger) health.Check {
	space := diskspace.New(cfg.SQLiteDirPath, int64(cfg.MinFreeDisk), log)
	records.LimitGrowth(space)
	figures.Gauge("syncline_disk_free_bytes", "Free on the disk of the database.", func() float64 { return float64(space.Free()) })
	return health.Check{Name: "disk", Degrades: true, Failing: "low", Probe: func(context.Context) error { return space.Left() }}
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

// coordination is what instances of one deployment share beside the database.
type coordination struct {
	bus    pubsub.Bus
	locker locks.Locker
	nonces auth.NonceMemory
	// serveFrom is a whole second. Signatures carry no more: no fresh one seems
	// older than the memory of nonces.
	serveFrom time.Time
	// refuseBefore and durable make up for nonces that are forgotten when the
	// process ends; zero where they are not.
	refuseBefore time.Time
	durable      auth.NonceMemory
	// rates is nil where each instance has its own limits.
	rates ratelimit.Exchange

	checks            []health.Check
	run               func(context.Context) error
	whileHintsAreLost func(ctx context.Context, poll func()) error
	close             func()
}

func coordinate(ctx context.Context, cfg config.Config, db *database.DB, figures *metrics.Metrics, log *slog.Logger) (coordination, error) {
	memory := auth.NewMemoryNonces(cfg.NonceMemory, time.Now)
	figures.Gauge("syncline_nonces", "Nonces remembered in this instance's memory.", func() float64 { return float64(memory.Len()) })
	locker := dblock.New(db.Write, db.Read, db.Dialect)
	if cfg.RedisURL == "" {
		return coordinateAlone(cfg, db, locker, memory, log)
	}
	return coordinateByRedis(ctx, cfg, locker, memory, figures, log)
}

// coordinateAlone is for one instance, or several that share a database only.
func coordinateAlone(cfg config.Config, db *database.DB, locker *dblock.Locker, memory *auth.MemoryNonces, log *slog.Logger) (coordination, error) {
	durable := dbnonce.New(db.Write, time.Now)
	bus := inproc.New()
	c := coordination{
		bus:               bus,
		locker:            locker,
		nonces:            memory,
		durable:           durable,
		run:               untilDone,
		whileHintsAreLost: func(ctx context.Context, _ func()) error { return untilDone(ctx) },
		close:             bus.Close,
	}
	if db.Dialect == dialect.SQLite {
		marked, err := durable.Marked(database.NoncesMark(cfg.SQLiteDirPath))
		if err != nil {
			return coordination{}, named("SQLITE_DIR_PATH", err)
		}
		c.durable, c.run = marked, marked.Run
	} else {
		log.Warn("without REDIS_URL, a captured request can be replayed to another instance within its 300 seconds")
	}
	c.serveFrom = nextSecond()
	c.refuseBefore = c.serveFrom
	return c, nil
}

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func nextSecond() time.Time { return time.Now().Truncate(time.Second).Add(time.Second) }

// coordinateByRedis is for any number of instances. Tokens and fences of locks
// stay in the database.
func coordinateByRedis(ctx context.Context, cfg config.Config, fences *dblock.Locker, memory *auth.MemoryNonces, figures *metrics.Metrics, log *slog.Logger) (coordination, error) {
	redisclient.LogTo(log)
	client, err := redisclient.Open(cfg.RedisURL)
	if err != nil {
		return coordination{}, fmt.Errorf("REDIS_URL: %w", err)
	}
	bus := redisbus.New(client, log)
	var options []redisnonce.Option
	if cfg.NonceStrict {
		options = append(options, redisnonce.Strict())
	}
	nonces := redisnonce.New(client, memory, time.Now, log, options...)
	nonces.Begin(ctx)
	figures.Gauge("syncline_nonces_alone", "Nonces let in by this instance's memory alone, while Redis was away.", func() float64 { return float64(nonces.Alone()) })
	return coordination{
		bus:               bus,
		locker:            redislock.New(client, fences),
		nonces:            nonces,
		serveFrom:         nextSecond(),
		checks:            []health.Check{{Name: "redis", Degrades: !cfg.NonceStrict, Probe: func(ctx context.Context) error { return client.Ping(ctx).Err() }}},
		rates:             redisrates.New(client, "syncline"),
		run:               untilDone,
		whileHintsAreLost: bus.WhileAway,
		close:             func() { bus.Close(); _ = client.Close() },
	}, nil
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

// newGate is nil, which lets everything pass, if there are to be no limits.
func newGate(cfg config.Config, records *record.Service, shared coordination, figures *metrics.Metrics, log *slog.Logger) *ratelimit.Gate {
	if !cfg.RateLimits {
		return nil
	}
	return ratelimit.New(ratelimit.Limits{
		Cost:          cfg.RateCost,
		BytesIn:       int(cfg.RateBytesIn),
		BytesOut:      int(cfg.RateBytesOut),
		Connects:      cfg.RateConnects,
		Connections:   cfg.RateConnections,
		Subscriptions: cfg.RateSubscriptions,
		AddressFactor: cfg.RateAddressFactor,
		NewOwners:     cfg.RateNewOwners,
	}, ratelimit.Options{
		Known: func(ctx context.Context, owner auth.Principal) (bool, error) {
			account, err := records.Account(ctx, record.Owner(owner.Key))
			return account.Head > 0, err
		},
		Refused:  figures.Counter("syncline_rate_limited_total", "Requests, connections and operations over a limit, by whose it is (address or owner) and which.", "of", "limit"),
		Exchange: shared.rates,
		Log:      log,
	})
}

// rates is what clients are told of the limits that newGate keeps.
func rates(cfg config.Config) *model.Rates {
	if !cfg.RateLimits {
		return nil
	}
	return &model.Rates{
		Cost:          unlessZero(cfg.RateCost),
		BytesIn:       unlessZero(int64(cfg.RateBytesIn)),
		BytesOut:      unlessZero(int64(cfg.RateBytesOut)),
		Connects:      unlessZero(cfg.RateConnects),
		Connections:   unlessZero(cfg.RateConnections),
		Subscriptions: unlessZero(cfg.RateSubscriptions),
	}
}

// unlessZero is nil for what has no limit.
func unlessZero[T int | int64 | float64](limit T) *T {
	if limit == 0 {
		return nil
	}
	return &limit
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

func checks(db *database.DB, shared coordination, certificates *auth.Certificates) []health.Check {
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
