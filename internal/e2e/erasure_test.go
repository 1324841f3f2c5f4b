package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"syncline/client"
	"syncline/internal/testservers"
)

// A device at one instance hears that another erased everything at the other one: by Redis
// at once, and without it by the poll.
func TestAnErasureIsHeardAtOtherInstances(t *testing.T) {
	t.Parallel()
	postgres, redis := testservers.StartPostgres(t), testservers.StartRedis(t)
	for name, env := range map[string][]string{
		"by Redis":    {"REDIS_URL=" + redis.URL(), "FEED_POLL_INTERVAL=10m"},
		"by the poll": {"FEED_POLL_INTERVAL=100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := append(env, "DATABASE_URL="+postgres.NewURL(t))
			here, there := testservers.StartSyncline(t, env...), testservers.StartSyncline(t, env...)
			key, ctx := newKey(t), withinMinutes(t)
			erasing, following := newClient(t, here.URL(), key), newClient(t, there.URL(), key)
			if _, err := erasing.Set(ctx, "a", []byte("x"), 0); err != nil {
				t.Fatal(err)
			}
			for event, err := range following.Follow(ctx, "") {
				if err != nil {
					if tooOld, ok := errors.AsType[*client.Error](err); !ok || tooOld.Code != client.ErrCursorTooOld || !tooOld.Erased {
						t.Errorf("the feed ends with %v", err)
					}
					return
				}
				if event.Kind == client.CaughtUp {
					if _, err := erasing.EraseAccount(ctx, key.Public()); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// A server that is killed while it erases has erased everything, or nothing of it: everything
// where it was acknowledged. Nobody else loses anything.
func TestKilledWhileItErases(t *testing.T) {
	t.Parallel()
	const records, kills = 1000, 8
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random, ctx := rand.New(rand.NewPCG(seed, 0)), withinMinutes(t)
	server := testservers.StartSyncline(t)
	other := newClient(t, server.URL(), newKey(t))
	if _, err := other.Set(ctx, "kept", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	acknowledged, unknown := 0, 0
	for range kills {
		key := newKey(t)
		c := newClient(t, server.URL(), key)
		for n := 0; n < records; n += 100 {
			var writes []client.Write
			for i := range 100 {
				writes = append(writes, client.Write{ID: fmt.Sprint(n + i), Data: make([]byte, 100)})
			}
			if _, err := c.Write(ctx, writes); err != nil {
				t.Fatal(err)
			}
		}
		erasing, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			_, err := c.EraseAccount(erasing, key.Public())
			done <- err
		}()
		pause(nil, time.Duration(random.IntN(int(8*time.Millisecond))))
		server.Kill()
		cancel() // it does not try again at the next server
		err := <-done
		server.Start()
		v, failed := c.Viewer(ctx)
		if failed != nil {
			t.Fatal(failed)
		}
		switch {
		case v.RecordCount != 0 && v.RecordCount != records || v.RecordCount != 0 && err == nil:
			t.Errorf("%d records are left of %d; the erasure came to %v", v.RecordCount, records, err)
		case err == nil:
			acknowledged++
		case v.RecordCount == 0:
			unknown++
		}
		left := 0
		for page, err := range c.All(ctx, "") {
			if err != nil {
				t.Fatal(err)
			}
			left += len(page.Records)
		}
		if int64(left) != int64(v.RecordCount) {
			t.Errorf("%d records are counted and %d are there", v.RecordCount, left)
		}
	}
	t.Logf("of %d, %d were acknowledged and %d done without", kills, acknowledged, unknown)
	if r, err := other.Get(ctx, "kept"); err != nil || string(r.Data) != "x" {
		t.Errorf("another owner's record: %+v, %v", r, err)
	}
}

func withinMinutes(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
