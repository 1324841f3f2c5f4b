package client_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"syncline/client"
)

// newHeldLock makes a client of a lock that another holds for an hour, where
// tell tells of the lock what the service would.
func newHeldLock(t *testing.T, tell func(*peer, *lockServer)) (*client.Client, *lockServer) {
	t.Helper()
	locks := &lockServer{t: t, holder: "another", token: 1, expires: time.Now().Add(time.Hour)}
	feed := &feedServer{t: t, scenes: []scene{func(p *peer) {
		p.accept()
		tell(p, locks)
		p.live()
	}}}
	return newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			feed.ServeHTTP(w, r)
			return
		}
		locks.ServeHTTP(w, r)
	}), locks
}

// acquire waits for the lock, and gives it back. It tells for how long it waited.
func acquire(t *testing.T, c *client.Client, opts ...client.LockOption) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	began := time.Now()
	lease, err := c.AcquireLock(ctx, "l", opts...)
	if err != nil {
		t.Fatal(err)
	}
	waited := time.Since(began)
	if lease.Token() == 0 || ended(lease) {
		t.Errorf("token %d, %v", lease.Token(), lease.Err())
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
	return waited
}

func TestAcquireLockWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		freed := make(chan struct{})
		c, locks := newHeldLock(t, func(p *peer, _ *lockServer) {
			p.lock("another")
			<-freed
			p.lock()
		})
		go func() {
			advance(time.Minute)
			locks.set(func() { locks.holder = "" })
			close(freed)
		}()
		if waited := acquire(t, c); waited != time.Minute {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestAcquireLockMissesNoRelease: another is quicker, and done before the
// service looks again. To the service the lock was free all the time, so that it
// has nothing new to tell.
func TestAcquireLockMissesNoRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, locks := newHeldLock(t, func(p *peer, _ *lockServer) {
			p.lock("another")
			p.lock()
		})
		go func() {
			advance(time.Minute)
			locks.set(func() { locks.holder = "" })
		}()
		if waited := acquire(t, c); waited > time.Minute+2*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestAcquireLockIsNotHeldUpByItself: an instance that shares a lock wants it
// alone, and the others let go.
func TestAcquireLockIsNotHeldUpByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newHeldLock(t, func(p *peer, locks *lockServer) {
			p.lock("me", "another")
			locks.set(func() { locks.holder = "me" })
			p.lock("me")
		})
		if waited := acquire(t, c, client.WithInstanceID("me")); waited > 2*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// lock tells of a lock that some share, or none.
func (p *peer) lock(holders ...string) {
	all := make([]string, len(holders))
	for i, id := range holders {
		all[i] = fmt.Sprintf(`{"instanceId":%q,"token":1,"expiresAt":"2026-01-01T00:00:00Z"}`, id)
	}
	p.send(fmt.Sprintf(`{"id":"1","type":"next","payload":{"data":{"lockChanged":{"name":"l","locked":%t,"exclusive":false,"holders":[%s]}}}}`,
		len(all) > 0, strings.Join(all, ",")))
}
