package transporttest_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/transport/transporttest"
)

// host is a peer in memory that can be away, and whose log can be replaced.
type host struct {
	mu    sync.Mutex
	away  bool
	store *transporttest.FaultyLog
	inner *memtransport.Transport
}

func newHost() *host {
	h := &host{}
	h.replace()
	return h
}

func (h *host) replace() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store = &transporttest.FaultyLog{Log: memory.New()}
	h.inner = memtransport.New("host", h.store)
}

func (h *host) setAway(away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = away
}

func (h *host) reach() (*memtransport.Transport, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return nil, errors.New(errors.Unavailable, "reach", nil)
	}
	return h.inner, nil
}

// link is a transport to a host.
type link struct {
	*memtransport.Transport // what does not depend on whether the host is away
	host                    *host
}

func (l link) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	if err := l.ready(ctx); err != nil {
		return err
	}
	inner, err := l.host.reach()
	if err != nil {
		return err
	}
	return inner.Push(ctx, events)
}

func (l link) Pull(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	inner, err := l.host.reach()
	if err != nil {
		return nil, err
	}
	return inner.Pull(ctx, since)
}

func (l link) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	if err := l.ready(ctx); err != nil {
		return synckit.Page{}, err
	}
	inner, err := l.host.reach()
	if err != nil {
		return synckit.Page{}, err
	}
	return inner.PullPage(ctx, since, limit)
}

func (l link) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (string, error) {
	if err := l.ready(ctx); err != nil {
		return "", err
	}
	inner, err := l.host.reach()
	if err != nil {
		return "", err
	}
	return inner.PushAfter(ctx, cursor, events)
}

// ready fails once the link is closed.
func (l link) ready(ctx context.Context) error {
	_, err := l.Transport.PullPage(ctx, "", 1)
	return err
}

func newPeer(h *host, connect func() synckit.Transport) transporttest.Peer {
	return transporttest.Peer{
		Connect: func(*testing.T) synckit.Transport { return connect() },
		Stop:    func(*testing.T) { h.setAway(true) },
		Start:   func(*testing.T) { h.setAway(false) },
		Replace: func(*testing.T) { h.replace() },
		Fail:    func(failing bool) { h.store.Fail(failing) },
		Inject: func(t *testing.T, e synckit.EventWithVersion) {
			if err := h.store.Store(t.Context(), e.Event, e.Version); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func TestSuitePassesASoundTransport(t *testing.T) {
	transporttest.Run(t, func(*testing.T, ...transporttest.Ability) transporttest.Peer {
		h := newHost()
		return newPeer(h, func() synckit.Transport { return link{memtransport.New("host", h.store), h} })
	})
}

// broken are transports that each do one thing wrong, and the tests that must
// see it.
var broken = map[string]struct {
	breaks func(link) synckit.Transport
	seen   string
}{
	"forgets an event":             {func(l link) synckit.Transport { return forgetful{l} }, "what is pushed is read, in order"},
	"turns events round":           {func(l link) synckit.Transport { return reversing{l} }, "what is pushed is read, in order"},
	"acknowledges what failed":     {func(l link) synckit.Transport { return lying{l} }, "only what is stored is acknowledged"},
	"acknowledges reused ids":      {func(l link) synckit.Transport { return lying{l} }, "an id with other content is refused, alone"},
	"drops versions":               {func(l link) synckit.Transport { return versionless{l} }, "versions arrive as they are"},
	"begins again at each cursor":  {func(l link) synckit.Transport { return restarting{l} }, "pages follow one another"},
	"takes any cursor":             {func(l link) synckit.Transport { return restarting{l} }, "a cursor of a replaced log is lost"},
	"stops at what it cannot read": {func(l link) synckit.Transport { return strict{l} }, "what cannot be read holds up nothing"},
	"passes over others' events":   {func(l link) synckit.Transport { return leaping{l} }, "what was just pushed can be skipped"},
	"takes any log for its own":    {func(l link) synckit.Transport { return leaping{l} }, "nothing of another log is skipped"},
	"is no paged transport":        {func(l link) synckit.Transport { return struct{ synckit.Transport }{l} }, "pages follow one another"},
}

type forgetful struct{ link }

func (f forgetful) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	return f.link.Push(ctx, events[:max(0, len(events)-1)])
}

type reversing struct{ link }

func (r reversing) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	page, err := r.link.PullPage(ctx, since, limit)
	slices.Reverse(page.Events)
	return page, err
}

type lying struct{ link }

func (l lying) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	_ = l.link.Push(ctx, events)
	return nil
}

// strict fails on a page with an event whose version it does not know.
type strict struct{ link }

func (s strict) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	page, err := s.link.PullPage(ctx, since, limit)
	for _, e := range page.Events {
		if _, known := e.Version.(cursor.IntegerCursor); !known && e.Version != nil {
			return synckit.Page{}, errors.New(errors.InvalidVersion, "pull", nil)
		}
	}
	return page, err
}

type versionless struct{ link }

func (v versionless) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	bare := slices.Clone(events)
	for i := range bare {
		bare[i].Version = nil
	}
	return v.link.Push(ctx, bare)
}

type restarting struct{ link }

func (r restarting) PullPage(ctx context.Context, since string, limit int) (synckit.Page, error) {
	page, err := r.link.PullPage(ctx, "", limit)
	page.More = page.More && since == ""
	return page, err
}

// leaping takes the end of the log for the end of its push.
type leaping struct{ link }

func (l leaping) PushAfter(ctx context.Context, _ string, events []synckit.EventWithVersion) (string, error) {
	if err := l.Push(ctx, events); err != nil {
		return "", err
	}
	for cursor := ""; ; {
		page, err := l.PullPage(ctx, cursor, 1000)
		if err != nil || !page.More {
			return page.Cursor, err
		}
		cursor = page.Cursor
	}
}

const brokenVariable = "TRANSPORTTEST_BROKEN"

// TestOfABrokenTransport is run by TestSuiteCatchesBrokenTransports, as another
// process: it has to fail.
func TestOfABrokenTransport(t *testing.T) {
	name := os.Getenv(brokenVariable)
	if name == "" {
		return
	}
	transporttest.Run(t, func(*testing.T, ...transporttest.Ability) transporttest.Peer {
		h := newHost()
		return newPeer(h, func() synckit.Transport { return broken[name].breaks(link{memtransport.New("host", h.store), h}) })
	})
}

func TestSuiteCatchesBrokenTransports(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test := "^TestOfABrokenTransport$/^" + strings.ReplaceAll(b.seen, " ", "_") + "$"
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", test)
			cmd.Env = append(os.Environ(), brokenVariable+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestOfABrokenTransport/"+strings.ReplaceAll(b.seen, " ", "_")) {
				t.Errorf("not seen by %q: %v\n%s", b.seen, err, out)
			}
		})
	}
}
