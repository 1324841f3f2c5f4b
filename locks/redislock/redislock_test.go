package redislock_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"syncline/ent"
	entlock "syncline/ent/lock"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/locks/lockstest"
	"syncline/locks/redislock"
	"syncline/storage"
	"syncline/storage/locker"
	"syncline/storage/retention"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, testservers.PausedDial()) }

func TestLocker(t *testing.T) {
	url, prefix := testservers.RedisURL(t)
	conforms(t, url, prefix)
}

func TestLockerOnCluster(t *testing.T) {
	conforms(t, testservers.StartRedisCluster(t).URL(), "test")
}

func TestLockerBehindSentinel(t *testing.T) {
	conforms(t, testservers.StartRedisSentinel(t).URL(), "test")
}

func conforms(t *testing.T, url, prefix string) {
	client := testservers.RedisClient(t, url)
	var tests atomic.Int64
	lockstest.Run(t, func(t *testing.T) lockstest.Harness {
		db := testservers.SQLite(t)
		own := redislock.WithPrefix(fmt.Sprintf("%s:%d", prefix, tests.Add(1)))
		reopen := func() locks.Locker { return redislock.New(client, fencesOf(db), own) }
		return lockstest.Harness{
			Locker: reopen(),
			Elapse: func(d time.Duration) { <-time.After(d) }, // Redis has its own clock
			Fence:  func(key locks.Key) locks.Token { return readFence(t, db.Read, key) },
			Purge: func() {
				config := retention.Config{Tombstones: time.Microsecond}
				if _, err := retention.New(db.Read, db.NewEngine(), config, time.Now, slog.New(slog.DiscardHandler)).Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			Reopen: reopen,
		}
	})
}

func fencesOf(db *storage.DB) redislock.Fences { return locker.New(db, db.NewEngine()) }

func readFence(t *testing.T, client *ent.Client, key locks.Key) locks.Token {
	t.Helper()
	row, err := client.Lock.Query().
		Where(entlock.Owner(key.Owner[:]), entlock.ID(key.Name)).
		Only(context.WithoutCancel(t.Context()))
	if ent.IsNotFound(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return locks.Token(row.Fence)
}
