package load

import (
	"bytes"
	"context"
	"net/url"
	"runtime"
	"sync"
	"time"
)

// Follow subscribes to an owner's changes, waits until the subscription has
// caught up, and hands each later change to changed, with the time at which it
// arrived.
func Follow(ctx context.Context, s *Socket, since string, changed func(at time.Time)) error {
	caughtUp := make(chan error, 1)
	live := false
	err := s.Start(Changed(since), func(payload []byte, err error) {
		at := time.Now()
		switch {
		case live && err == nil && bytes.Contains(payload, []byte(`"kind":"CHANGED"`)):
			changed(at)
		case !live && (err != nil || bytes.Contains(payload, []byte(`"CAUGHT_UP"`))):
			live = true
			caughtUp <- err
		}
	})
	if err != nil {
		return err
	}
	select {
	case err := <-caughtUp:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dialing is how many connections are made at a time.
const dialing = 64

// FollowAll connects each owner by a socket of its own and follows its changes,
// which nobody looks at. Endpoints are taken by turns.
func FollowAll(ctx context.Context, endpoints []*url.URL, owners []Owner, since string) ([]*Socket, error) {
	var mu sync.Mutex
	var socks []*Socket
	var first error
	limit := make(chan struct{}, max(dialing, runtime.GOMAXPROCS(0)))
	var wg sync.WaitGroup
	for i, owner := range owners {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			s, err := Dial(ctx, endpoints[i%len(endpoints)], owner)
			if err == nil {
				err = Follow(ctx, s, since, func(time.Time) {})
			}
			mu.Lock()
			defer mu.Unlock()
			if s != nil {
				socks = append(socks, s)
			}
			if err != nil && first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	if first != nil {
		CloseAll(socks)
		return nil, first
	}
	return socks, nil
}
