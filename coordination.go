package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"syncline/auth"
	"syncline/auth/redisnonce"
	"syncline/internal/config"
	"syncline/internal/health"
	"syncline/internal/metrics"
	"syncline/internal/ratelimit"
	"syncline/internal/ratelimit/redisrates"
	"syncline/internal/redisclient"
	"syncline/internal/siblings"
	"syncline/locks"
	"syncline/locks/redislock"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
	"syncline/pubsub/redisbus"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/locker"
	"syncline/storage/nonces"
)

// coordination is what instances of one deployment share beside the database.
type coordination struct {
	bus    pubsub.Bus
	locker locks.Locker
	nonces auth.NonceMemory
	// now is the clock that signatures are judged by.
	now func() time.Time
	// serveFrom is a whole second. Signatures carry no more: no fresh one seems
	// older than the memory of nonces.
	serveFrom time.Time
	// fences keeps the fences of locks, whatever keeps the holds.
	fences *locker.Locker
	// refuseBefore and durable make up for nonces that are forgotten when the
	// process ends; zero where they are not.
	refuseBefore time.Time
	durable      auth.NonceMemory
	// rates is nil where each instance has its own limits.
	rates ratelimit.Exchange
	// claim is nil where no siblings are known of.
	claim *siblings.Claim

	checks            []health.Check
	run               func(context.Context) error
	whileHintsAreLost func(ctx context.Context, poll func()) error
	close             func()
}

func coordinate(ctx context.Context, cfg config.Config, db *storage.DB, engine *commit.Engine, figures *metrics.Metrics, log *slog.Logger) (coordination, error) {
	now := time.Now
	if cfg.RedisURL == "" { // with it nonces are kept by the clock of Redis, and siblings' clocks go on
		now = auth.NewClock(nil, log).Now
	}
	memory := auth.NewMemoryNonces(cfg.NonceMemory, now)
	figures.Gauge("syncline_nonces", "Nonces remembered in this instance's memory.", func() float64 { return float64(memory.Len()) })
	inDB := locker.New(db, engine)
	var (
		c   coordination
		err error
	)
	if cfg.RedisURL == "" {
		c, err = coordinateAlone(db, engine, inDB, memory, now, log)
	} else {
		c, err = coordinateByRedis(ctx, cfg, db, inDB, memory, figures, log)
	}
	c.fences, c.now = inDB, now
	return c, err
}

// coordinateAlone is for one instance, or several that share a database only.
func coordinateAlone(db *storage.DB, engine *commit.Engine, inDB *locker.Locker, memory *auth.MemoryNonces, now func() time.Time, log *slog.Logger) (coordination, error) {
	durable := nonces.New(db, engine, now)
	durable.OnSweepFailed(func(err error) { log.Warn("expired nonces stay in the database", "error", err) })
	bus := inproc.New()
	c := coordination{
		bus:               bus,
		locker:            inDB,
		nonces:            memory,
		durable:           durable,
		run:               untilDone,
		whileHintsAreLost: func(ctx context.Context, _ func()) error { return untilDone(ctx) },
		close:             bus.Close,
	}
	if dir := db.Directory(); dir != "" {
		marked, err := durable.Marked(storage.NoncesMark(dir))
		if err != nil {
			return coordination{}, fmt.Errorf("SQLITE_DIR_PATH: %w", err)
		}
		c.durable, c.run = marked, marked.Run
	} else {
		log.Warn("without REDIS_URL, a captured request can be replayed to another instance within its 300 seconds")
	}
	c.serveFrom = nextSecond(now())
	c.refuseBefore = c.serveFrom
	return c, nil
}

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func nextSecond(now time.Time) time.Time { return now.Truncate(time.Second).Add(time.Second) }

// coordinateByRedis is for any number of instances. Tokens and fences of locks
// stay in the database.
func coordinateByRedis(ctx context.Context, cfg config.Config, db *storage.DB, fences *locker.Locker, memory *auth.MemoryNonces, figures *metrics.Metrics, log *slog.Logger) (coordination, error) {
	redisclient.LogTo(log)
	client, err := redisclient.Open(cfg.RedisURL)
	if err != nil {
		return coordination{}, fmt.Errorf("REDIS_URL: %w", err)
	}
	bus := redisbus.New(client, log, redisbus.WithPrefix(cfg.RedisPrefix))
	options := []redisnonce.Option{redisnonce.WithPrefix(cfg.RedisPrefix)}
	if cfg.NonceStrict {
		options = append(options, redisnonce.Strict())
	}
	nonces := redisnonce.New(client, memory, time.Now, log, options...)
	nonces.Begin(ctx)
	figures.Gauge("syncline_nonces_alone", "Nonces let in by this instance's memory alone, while Redis was away.", func() float64 { return float64(nonces.Alone()) })
	locker := redislock.New(client, fences, redislock.WithPrefix(cfg.RedisPrefix))
	if policy := redisclient.Evicting(ctx, client); policy != "" {
		log.Warn(redisclient.EvictionWarning(policy))
	}
	claim := siblings.New(client, cfg.RedisPrefix, db.Epochs, log)
	claim.Make(ctx)
	watch := redisclient.NewWatch(client, log,
		redisclient.Use{Name: "locks", Probe: locker.Probe},
		redisclient.Use{Name: "nonces", Probe: nonces.Probe},
		redisclient.Use{Name: "notifications", Probe: bus.Probe})
	checks := []health.Check{{Name: "redis", Degrades: true, Probe: watch.Probe}, {Name: "siblings", Failing: "another database", Probe: claim.Probe}}
	if cfg.NonceStrict {
		checks = append(checks, health.Check{Name: "nonces", Probe: nonces.Probe})
	}
	return coordination{
		bus:               bus,
		locker:            locker,
		claim:             claim,
		nonces:            nonces,
		serveFrom:         nextSecond(time.Now()),
		checks:            checks,
		rates:             redisrates.New(client, cfg.RedisPrefix),
		run:               claim.Run,
		whileHintsAreLost: bus.WhileAway,
		close:             func() { bus.Close(); _ = client.Close() },
	}, nil
}

// onlyOneDatabase refuses what comes while siblings serve another database.
func (c coordination) onlyOneDatabase(next http.Handler) http.Handler {
	if c.claim == nil {
		return next
	}
	refusal := &auth.Error{
		Code:       auth.CodeUnavailable,
		Message:    "this instance serves another database than its siblings: try again, by another one",
		Status:     http.StatusServiceUnavailable,
		RetryAfter: time.Second,
	}
	return c.claim.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { refuse(w, r, refusal) }), next)
}
