package peerlog_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/internal/peerlog"
	"syncline/synckit/transport/internal/wire"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/version"
)

func event(id string, data any) synckit.EventWithVersion {
	return synckit.EventWithVersion{Event: synckit.NewEvent(id, "", "n", data, nil)}
}

func events(from, to int) []synckit.EventWithVersion {
	var all []synckit.EventWithVersion
	for i := from; i < to; i++ {
		all = append(all, event(fmt.Sprint(i), i))
	}
	return all
}

// A log that was restored from a backup has the id that it had, but went on
// differently: cursors from before are lost all the same.
func TestARestoredLogLosesCursors(t *testing.T) {
	t.Parallel()
	store := memory.New()
	l := peerlog.New(store, nil)
	l.Push(t.Context(), events(0, 5))
	page, err := l.Page(t.Context(), peerlog.Query{Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	restored := memory.New()
	id, _ := store.Cursor(t.Context(), "synckit.log", synckit.Pulling)
	if _, err := restored.Commit(t.Context(), synckit.Commit{Cursors: []synckit.Cursor{{Peer: "synckit.log", Direction: synckit.Pulling, Value: id}}}); err != nil {
		t.Fatal(err)
	}
	again := peerlog.New(restored, nil)
	again.Push(t.Context(), events(0, 3))
	for range 2 {
		if _, err := again.Page(t.Context(), peerlog.Query{Cursor: page.Cursor, Limit: 5}); errors.CodeOf(err) != errors.CursorLost {
			t.Errorf("%v", err)
		}
		again.Push(t.Context(), events(10, 14))
	}
}

// A cursor that stands at an event which was dropped goes on, and so does one at the end.
func TestCursorsStandAtDroppedEvents(t *testing.T) {
	t.Parallel()
	store := memory.New()
	l := peerlog.New(store, nil)
	l.Push(t.Context(), events(0, 5))
	page, err := l.Page(t.Context(), peerlog.Query{Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Drop(t.Context(), "n", []string{"0", "2", "4"}); err != nil {
		t.Fatal(err)
	}
	rest, err := l.Page(t.Context(), peerlog.Query{Cursor: page.Cursor, Limit: 5})
	if err != nil || len(rest.Items) != 2 || rest.Items[0].Event.ID != "3" || rest.Items[1].Event.ID != "4" {
		t.Errorf("%v, %v", rest, err)
	}
	if end, err := l.End(t.Context()); err != nil || end != rest.Cursor {
		t.Errorf("the end is %q, %v, want %q", end, err, rest.Cursor)
	}
}

func TestPagesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	store := memory.New()
	l := peerlog.New(store, nil)
	for i, size := range []int{3 << 20, 3 << 20, 6 << 20, 1} {
		if outcome := l.Push(t.Context(), []synckit.EventWithVersion{event(fmt.Sprint(i), strings.Repeat("x", size))}); outcome.Err != nil {
			t.Fatal(outcome.Err)
		}
	}
	for name, l := range map[string]*peerlog.Log{"log": l, "plain": peerlog.New(plain{store}, nil)} {
		at := ""
		for i := range 4 {
			page, err := l.Page(t.Context(), peerlog.Query{Cursor: at, Limit: 100})
			if err != nil || len(page.Items) != 1 || page.More != (i < 3) {
				t.Fatalf("%s, page %d: %d events, more: %v, %v", name, i, len(page.Items), page.More, err)
			}
			at = page.Cursor
		}
	}
}

// plain has the documented interface alone.
type plain struct{ synckit.EventStore }

// strict is a store that knows nothing of codes, and takes an ID only once.
type strict struct {
	plain
	fail error
}

var errUnique = stderrors.New("UNIQUE constraint failed")

func (s *strict) Store(ctx context.Context, e synckit.Event, v synckit.Version) error {
	if s.fail != nil {
		return s.fail
	}
	all, err := s.Load(ctx, nil)
	for _, one := range all {
		if one.Event.ID() == e.ID() {
			return errUnique
		}
	}
	if err != nil {
		return err
	}
	return s.EventStore.Store(ctx, e, v)
}

func TestAStoreThatDoesNotSayWhy(t *testing.T) {
	t.Parallel()
	store := &strict{plain: plain{memory.New()}}
	l := peerlog.New(store, nil)
	for range 2 {
		if outcome := l.Push(t.Context(), events(0, 3)); outcome.Err != nil || len(outcome.Stored) != 3 {
			t.Fatalf("%+v", outcome)
		}
	}
	outcome := l.Push(t.Context(), []synckit.EventWithVersion{event("1", "other"), event("4", 4)})
	if errors.CodeOf(outcome.Refused["1"]) != errors.EventIDReused || len(outcome.Stored) != 1 {
		t.Errorf("%+v", outcome)
	}
	store.fail = stderrors.New("disk I/O error")
	outcome = l.Push(t.Context(), events(8, 10))
	if !stderrors.Is(outcome.Err, store.fail) || len(outcome.Refused)+len(outcome.Stored) > 0 {
		t.Errorf("%+v", outcome)
	}
}

// ties is a store in which several events bear one version.
type ties struct {
	plain
	all []synckit.EventWithVersion
}

func (s *ties) Load(_ context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	var rest []synckit.EventWithVersion
	for _, e := range s.all {
		if since == nil || e.Version.Compare(since) > 0 {
			rest = append(rest, e)
		}
	}
	return rest, nil
}

func (s *ties) LatestVersion(context.Context) (synckit.Version, error) {
	return s.all[len(s.all)-1].Version, nil
}

func TestEventsOfOneVersionAreNotCutApart(t *testing.T) {
	t.Parallel()
	store := &ties{}
	for i, e := range events(0, 9) {
		e.Version = cursor.IntegerCursor{Seq: uint64(1 + i/3)}
		store.all = append(store.all, e)
	}
	l := peerlog.New(store, nil)
	var got []string
	at := ""
	for more := true; more; {
		page, err := l.Page(t.Context(), peerlog.Query{Cursor: at, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			got = append(got, item.Event.ID)
		}
		at, more = page.Cursor, page.More
	}
	if fmt.Sprint(got) != "[0 1 2 3 4 5 6 7 8]" {
		t.Errorf("%v", got)
	}
	end, err := l.End(t.Context())
	if err != nil || end != at {
		t.Errorf("the end is %q, not %q: %v", end, at, err)
	}
}

func TestAfterVersionsOfAllKinds(t *testing.T) {
	t.Parallel()
	store := memory.New()
	for i, counters := range []map[string]uint64{{"A": 1}, {"B": 1}, {"A": 2, "B": 1}, nil} {
		e := event(fmt.Sprint(i), i)
		if counters != nil {
			clock, err := version.NewVectorClock(counters)
			if err != nil {
				t.Fatal(err)
			}
			e.Version = clock
		}
		if err := store.Store(t.Context(), e.Event, e.Version); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"0": "[0 1 2 3]", "2": "[2 3]", "9": "[]", `{"A":1}`: "[1 2 3]", `{"A":2,"B":1}`: "[3]", "1@n": "[0 1 2 3]",
	} {
		since, err := version.Parse(text)
		if err != nil {
			continue // kinds are for their package to name
		}
		for name, l := range map[string]*peerlog.Log{"log": peerlog.New(store, nil), "plain": peerlog.New(plain{store}, nil)} {
			page, err := l.Page(t.Context(), peerlog.Query{Since: since, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			ids := []string{}
			for _, item := range page.Items {
				ids = append(ids, item.Event.ID)
			}
			if fmt.Sprint(ids) != want {
				t.Errorf("%s: after %s: %v, want %s", name, text, ids, want)
			}
		}
	}
}

func TestCursorsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	store := memory.New()
	for name, l := range map[string]*peerlog.Log{"log": peerlog.New(store, nil), "plain": peerlog.New(plain{store}, nil)} {
		l.Push(t.Context(), events(0, 2))
		page, err := l.Page(t.Context(), peerlog.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := strings.Cut(page.Cursor, ".")
		for _, bad := range []string{"a", "..", id + ".!!.", id + ".eA.x", id + ".MA.x", id + ".MQ.x.y"} {
			if _, err := l.Page(t.Context(), peerlog.Query{Cursor: bad, Limit: 1}); errors.CodeOf(err) != errors.InvalidVersion {
				t.Errorf("%s, %q: %v", name, bad, err)
			}
		}
	}
}

func TestAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(synckit.EventStore) synckit.EventStore{
		"log":   func(s synckit.EventStore) synckit.EventStore { return s },
		"plain": func(s synckit.EventStore) synckit.EventStore { return plain{s} },
	} {
		store := memory.New()
		l := peerlog.New(wrap(store), nil)
		l.Push(t.Context(), events(0, 2))
		at, err := l.End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		store.Close()
		outcome := l.Push(t.Context(), events(2, 3))
		_, pageErr := l.Page(t.Context(), peerlog.Query{Cursor: at, Limit: 1})
		_, sinceErr := l.Page(t.Context(), peerlog.Query{Since: version.HLC{}, Limit: 1})
		_, endErr := l.End(t.Context())
		_, nextErr := l.Next(t.Context(), peerlog.Query{Cursor: at, Limit: 1}, time.Minute)
		_, freshErr := peerlog.New(wrap(store), nil).End(t.Context())
		for what, err := range map[string]error{
			"push": outcome.Err, "page": pageErr, "since": sinceErr, "end": endErr, "next": nextErr, "fresh": freshErr,
		} {
			if errors.CodeOf(err) != errors.Closed {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if len(outcome.Refused) > 0 {
			t.Errorf("%s: refused for good: %v", name, outcome.Refused)
		}
	}
}

// An event whose id no JSON can carry stays where it was written, and does not
// keep others from being read.
func TestEventsThatCannotBeSentAreLeftOut(t *testing.T) {
	t.Parallel()
	page := peerlog.Page{Items: []peerlog.Item{
		{Event: synckit.EncodedEvent{ID: "a"}}, {Event: synckit.EncodedEvent{ID: "\xff"}}, {Event: synckit.EncodedEvent{ID: "b"}},
	}}
	skipped := 0
	events := page.Encode(func(error) { skipped++ })
	if skipped != 1 || len(events) != 2 || events[1].Event.ID != "b" {
		t.Errorf("%d skipped, %+v", skipped, events)
	}
}

// A store that lets everything in may hold an event that is none.
type careless struct{ plain }

func (c careless) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	all, err := c.plain.Load(ctx, since)
	for i, e := range all {
		if e.Event.ID() == "1" {
			all[i].Event = synckit.NewEvent("1", "", "n", func() {}, nil)
		}
	}
	return all, err
}

func TestAnEventThatIsNoneIsLeftOut(t *testing.T) {
	t.Parallel()
	store := careless{plain{memory.New()}}
	l := peerlog.New(store, nil)
	l.Push(t.Context(), events(0, 3))
	page, err := l.Page(t.Context(), peerlog.Query{Limit: 2})
	if err != nil || !page.More {
		t.Fatalf("%+v, %v", page, err)
	}
	var skipped []error
	sent := page.Encode(func(err error) { skipped = append(skipped, err) })
	if len(sent) != 1 || len(skipped) != 1 || errors.CodeOf(skipped[0]) != errors.InvalidEvent {
		t.Errorf("sent %v, skipped %v", sent, skipped)
	}
	rest, err := l.Page(t.Context(), peerlog.Query{Cursor: page.Cursor, Limit: 2})
	if err != nil || len(rest.Items) != 1 || rest.Items[0].Event.ID != "2" {
		t.Errorf("%+v, %v", rest, err)
	}
	pulled, err := memtransport.New("peer", store).PullPage(t.Context(), "", 3)
	if err != nil || len(pulled.Events) != 2 || len(pulled.Unreadable) != 1 || pulled.Unreadable[0].Name != "1" {
		t.Errorf("%+v, %v", pulled, err)
	}
}

// trusting is a store that asks a version what it is without asking first whether
// there is one, as the documentation of old had it.
type trusting struct{ strict }

func (s *trusting) Load(ctx context.Context, since synckit.Version) ([]synckit.EventWithVersion, error) {
	_ = since.IsZero()
	return s.strict.Load(ctx, since)
}

func (s *trusting) LoadByAggregate(ctx context.Context, id string, since synckit.Version) ([]synckit.EventWithVersion, error) {
	_ = since.IsZero()
	return s.strict.LoadByAggregate(ctx, id, since)
}

func TestAStoreIsAskedWithAVersion(t *testing.T) {
	t.Parallel()
	l := peerlog.New(&trusting{strict{plain: plain{memory.New()}}}, nil)
	for range 2 { // the second time it finds out that they are there
		if outcome := l.Push(t.Context(), events(0, 3)); outcome.Err != nil || len(outcome.Stored) != 3 {
			t.Fatalf("%+v", outcome)
		}
	}
	at := ""
	for want := range 3 {
		page, err := l.Page(t.Context(), peerlog.Query{Cursor: at, Limit: 1})
		if err != nil || len(page.Items) != 1 || page.Items[0].Event.ID != fmt.Sprint(want) {
			t.Fatalf("%+v, %v", page, err)
		}
		at = page.Cursor
	}
	if end, err := l.End(t.Context()); err != nil || end != at {
		t.Errorf("the end is %s, %v, not %s", end, err, at)
	}
}

func TestNextIsWoken(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(synckit.EventStore) synckit.EventStore{
		"log":   func(s synckit.EventStore) synckit.EventStore { return s },
		"plain": func(s synckit.EventStore) synckit.EventStore { return plain{s} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.New()
				l := peerlog.New(wrap(store), nil)
				next := func() <-chan int {
					got := make(chan int, 1)
					at, err := l.End(t.Context())
					if err != nil {
						t.Error(err)
					}
					go func() {
						page, err := l.Next(t.Context(), peerlog.Query{Cursor: at, Limit: 10}, time.Minute)
						if err != nil && errors.CodeOf(err) != errors.Closed {
							t.Error(err)
						}
						got <- len(page.Items)
					}()
					synctest.Wait()
					return got
				}
				began := time.Now()
				if n := <-next(); n != 0 || time.Since(began) != time.Minute {
					t.Errorf("%d events after %v", n, time.Since(began))
				}
				woken := next()
				l.Push(t.Context(), events(0, 2))
				if n := <-woken; n != 2 {
					t.Errorf("%d events after a push", n)
				}
				woken = next()
				if err := store.Store(t.Context(), events(2, 3)[0].Event, nil); err != nil {
					t.Error(err)
				}
				if n := <-woken; n != 1 {
					t.Errorf("%d events after one was stored", n)
				}
				woken = next()
				l.Close()
				l.Close()
				if n := <-woken; n != 0 {
					t.Errorf("%d events after Close", n)
				}
			})
		})
	}
}

func TestNextEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := peerlog.New(memory.New(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Next(ctx, peerlog.Query{Limit: 1}, time.Minute); !stderrors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A clock that not all can read is refused where it comes in: the log would give the event one of its own.
func TestAClockThatNotAllCanReadIsRefused(t *testing.T) {
	t.Parallel()
	store := memory.New()
	received := []wire.Event{
		{Event: synckit.EncodedEvent{ID: "bad", Metadata: []byte(`{ "synckit.clock" : 9007199254740992 }`)}},
		{Event: synckit.EncodedEvent{ID: "sound", Metadata: []byte(`{ "synckit.clock" : 9007199254740991 }`)}},
	}
	_, outcome := peerlog.New(store, nil).Receive(t.Context(), received, nil)
	if errors.CodeOf(outcome.Refused["bad"]) != errors.InvalidEvent || fmt.Sprint(outcome.Stored) != "[sound]" {
		t.Errorf("%+v", outcome)
	}
}
