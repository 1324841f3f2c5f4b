package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"entgo.io/ent/dialect"

	"syncline/auth"
	"syncline/auth/redisnonce"
	"syncline/internal/config"
	"syncline/internal/health"
	"syncline/internal/metrics"
	"syncline/internal/ratelimit"
	"syncline/internal/ratelimit/redisrates"
	"syncline/internal/redisclient"
	"syncline/locks"
	"syncline/locks/redislock"
	"syncline/pubsub"
	"syncline/pubsub/inproc"
	"syncline/pubsub/redisbus"
	"syncline/storage"
	"syncline/storage/locker"
	"syncline/storage/nonces"
)

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

func coordinate(ctx context.Context, cfg config.Config, db *storage.DB, figures *metrics.Metrics, log *slog.Logger) (coordination, error) {
	memory := auth.NewMemoryNonces(cfg.NonceMemory, time.Now)
	figures.Gauge("syncline_nonces", "Nonces remembered in this instance's memory.", func() float64 { return float64(memory.Len()) })
	inDB := locker.New(db.Write, db.Read, db.Dialect)
	if cfg.RedisURL == "" {
		return coordinateAlone(cfg, db, inDB, memory, log)
	}
	return coordinateByRedis(ctx, cfg, inDB, memory, figures, log)
}

// coordinateAlone is for one instance, or several that share a database only.
func coordinateAlone(cfg config.Config, db *storage.DB, inDB *locker.Locker, memory *auth.MemoryNonces, log *slog.Logger) (coordination, error) {
	durable := nonces.New(db.Write, time.Now)
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
	if db.Dialect == dialect.SQLite {
		marked, err := durable.Marked(storage.NoncesMark(cfg.SQLiteDirPath))
		if err != nil {
			return coordination{}, fmt.Errorf("SQLITE_DIR_PATH: %w", err)
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
func coordinateByRedis(ctx context.Context, cfg config.Config, fences *locker.Locker, memory *auth.MemoryNonces, figures *metrics.Metrics, log *slog.Logger) (coordination, error) {
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
	return coordination{
		bus:               bus,
		locker:            redislock.New(client, fences, redislock.WithPrefix(cfg.RedisPrefix)),
		nonces:            nonces,
		serveFrom:         nextSecond(),
		checks:            []health.Check{{Name: "redis", Degrades: !cfg.NonceStrict, Probe: func(ctx context.Context) error { return client.Ping(ctx).Err() }}},
		rates:             redisrates.New(client, cfg.RedisPrefix),
		run:               untilDone,
		whileHintsAreLost: bus.WhileAway,
		close:             func() { bus.Close(); _ = client.Close() },
	}, nil
}
