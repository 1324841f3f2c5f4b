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

// newLocks makes a client of a lock, and of what tells of it.
func newLocks(t *testing.T, locks http.Handler, feed *feedServer) *client.Client {
	return newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			feed.ServeHTTP(w, r)
			return
		}
		locks.ServeHTTP(w, r)
	})
}

func TestAcquireLockWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		freed := make(chan struct{})
		c := newLocks(t, &lockServer{t: t}, &feedServer{t: t, scenes: []scene{func(p *peer) {
			p.accept()
			p.lock("another")
			<-freed
			p.lock()
			p.live()
		}}})
		first := takeLock(t, c)
		go func() {
			advance(time.Minute)
			if err := first.Release(t.Context()); err != nil {
				t.Error(err)
			}
			close(freed)
		}()
		began := time.Now()
		second, err := c.AcquireLock(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("waited %v", waited)
		}
		if second.Token() <= first.Token() {
			t.Errorf("token %d after %d", second.Token(), first.Token())
		}
		if err := second.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAcquireLockMissesNoRelease: another is quicker, and done before the
// service looks again. To the service the lock was free all the time, so that it
// has nothing new to tell.
func TestAcquireLockMissesNoRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locks := &lockServer{t: t, holder: "another", expires: time.Now().Add(time.Hour)}
		c := newLocks(t, locks, &feedServer{t: t, scenes: []scene{func(p *peer) {
			p.accept()
			p.lock("another")
			p.lock()
			p.live()
		}}})
		go func() {
			advance(time.Minute)
			locks.set(func() { locks.holder = "" })
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		lease, err := c.AcquireLock(ctx, "l")
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > time.Minute+2*time.Second {
			t.Errorf("waited %v", waited)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAcquireLockIsNotHeldUpByItself: an instance that shares a lock wants it
// alone, and the others let go.
func TestAcquireLockIsNotHeldUpByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locks := &lockServer{t: t, holder: "another", expires: time.Now().Add(time.Hour)}
		c := newLocks(t, locks, &feedServer{t: t, scenes: []scene{func(p *peer) {
			p.accept()
			p.lock("me", "another")
			locks.set(func() { locks.holder, locks.token = "me", 1 })
			p.lock("me")
			p.live()
		}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		lease, err := c.AcquireLock(ctx, "l", client.WithInstanceID("me"))
		if err != nil {
			t.Fatal(err)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Error(err)
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
