package sealed_test

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"strings"
	"testing"

	"syncline/auth/signing"
	"syncline/client/seal"
	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/resolve"
	"syncline/synckit/storage/memory"
	"syncline/synckit/transport/memtransport"
	"syncline/synckit/transport/sealed"
	"syncline/synckit/transport/transporttest"
)

func newKey(t testing.TB) seal.Key {
	t.Helper()
	identity, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.NewKey(identity)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func codecOf(t testing.TB, first seal.Key, others ...seal.Key) sealed.Codec {
	t.Helper()
	codec, err := sealed.WithKeys(first, others...)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func TestConformance(t *testing.T) {
	t.Parallel()
	transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
		store := &transporttest.FaultyLog{Log: memory.New()}
		t.Cleanup(func() { store.Close() })
		codec := codecOf(t, newKey(t))
		return transporttest.Peer{
			Connect: func(*testing.T) synckit.Transport {
				return sealed.Over(memtransport.New("peer", store), codec, sealed.Options{})
			},
			Fail: store.Fail,
			Inject: func(t *testing.T, e synckit.EventWithVersion) {
				if err := store.Store(t.Context(), e.Event, e.Version); err != nil {
					t.Fatal(err)
				}
			},
			Cannot: map[transporttest.Ability]string{
				transporttest.Stopping:  "the peer is in the same process",
				transporttest.Replacing: "a transport is made for one store",
			},
		}
	})
}

// node is a store with a manager whose transport seals.
type node struct {
	*synckit.Manager
	store *memory.Store
	t     *testing.T
}

func newNode(t *testing.T, store *memory.Store, transport synckit.Transport) node {
	t.Helper()
	m := synckit.NewSyncManager(store, transport, &synckit.SyncOptions{ConflictResolver: resolve.LastWriteWins{}, BatchSize: 10})
	t.Cleanup(func() { m.Close() })
	return node{m, store, t}
}

func (n node) write(id, aggregate, text string) {
	n.t.Helper()
	e := synckit.NewEvent(id, "SecretType", aggregate, map[string]string{"text": text}, map[string]any{"author": "secret author"})
	if err := n.store.Store(n.t.Context(), e, nil); err != nil {
		n.t.Fatal(err)
	}
}

func (n node) sync() *synckit.SyncResult {
	n.t.Helper()
	r, err := n.Sync(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

func (n node) reads(aggregate string) string {
	n.t.Helper()
	events, err := n.Effective(n.t.Context(), aggregate)
	if err != nil {
		n.t.Fatal(err)
	}
	var lines []string
	for _, e := range events {
		var data map[string]string
		if err := synckit.DecodeData(e.Event, &data); err != nil {
			n.t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(e.Event.ID(), " ", e.Event.Type(), " ", data["text"], " ", e.Event.Metadata()["author"], " ", synckit.ClockOf(e.Event)))
	}
	return strings.Join(lines, "\n")
}

// everything is all that a store holds, as text.
func everything(t *testing.T, store synckit.EventStore) string {
	t.Helper()
	events, err := store.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestThePeerReadsNothingAndNodesAgree(t *testing.T) {
	t.Parallel()
	hub, codec := memory.New(), codecOf(t, newKey(t))
	over := func() synckit.Transport { return sealed.Over(memtransport.New("hub", hub), codec, sealed.Options{}) }
	a, b := newNode(t, memory.New(), over()), newNode(t, memory.New(), over())
	a.write("a1", "note", "secret text of a")
	b.write("b1", "note", "secret text of b")
	a.write("a2", "other", "secret too")
	a.sync()
	check(t, "conflicts", b.sync().ConflictsResolved, 1)
	a.sync()
	check(t, "what a reads", a.reads("note"), b.reads("note"))
	check(t, "what counts", a.reads("note"), "b1 SecretType secret text of b secret author 1")
	check(t, "what came", b.reads("other"), "a2 SecretType secret too secret author 1")
	check(t, "nothing is pulled back", a.sync().EventsPulled, 0)

	text := everything(t, hub)
	for _, word := range []string{"secret", "Secret", "author", "synckit.resolution\"", "kept"} {
		if strings.Contains(text, word) {
			t.Errorf("the peer reads %q in %s", word, text)
		}
	}
	for _, word := range []string{"a1", "note", synckit.SealedType, synckit.ClockKey} {
		if !strings.Contains(text, word) {
			t.Errorf("the peer does not see %q", word)
		}
	}
}

// lossy loses the answer to its first push.
type lossy struct {
	*memtransport.Transport
	lost bool
}

func (l *lossy) PushAfter(ctx context.Context, cursor string, events []synckit.EventWithVersion) (string, error) {
	end, err := l.Transport.PushAfter(ctx, cursor, events)
	if !l.lost && err == nil {
		l.lost = true
		return "", stderrors.New("the answer got lost")
	}
	return end, err
}

func TestAPushIsRepeatedAsItWas(t *testing.T) {
	t.Parallel()
	hub := memory.New()
	a := newNode(t, memory.New(), sealed.Over(&lossy{Transport: memtransport.New("hub", hub)}, codecOf(t, newKey(t)), sealed.Options{}))
	a.write("a1", "note", "text")
	if _, err := a.Sync(t.Context()); errors.CodeOf(err) != errors.Unavailable {
		t.Fatalf("a push whose answer got lost: %v", err)
	}
	r := a.sync()
	check(t, "errors", r.Errors, []error{})
	check(t, "reviews", r.ReviewsAdded, 0)
	check(t, "unsent", mustStats(t, a).Unsent, 0)
}

// What two nodes make of the same, at other times, is one event to the peer as well.
func TestTwoNodesWriteTheSame(t *testing.T) {
	t.Parallel()
	hub, codec := memory.New(), codecOf(t, newKey(t))
	over := func() synckit.Transport { return sealed.Over(memtransport.New("hub", hub), codec, sealed.Options{}) }
	a, b := newNode(t, memory.New(), over()), newNode(t, memory.New(), over())
	a.write("a1", "note", "a's")
	b.write("b1", "note", "b's")
	b.sync()
	a.sync()
	b.sync()
	for _, n := range []node{a, b} {
		found, err := n.Decisions(t.Context(), "note", 0, 10)
		if err != nil || len(found) != 1 {
			t.Fatalf("decisions: %v, %v", found, err)
		}
		if err := n.RollBack(t.Context(), found[0], found[0].Superseded); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []node{a, b, a} {
		check(t, "refused", n.sync().ReviewsAdded, 0)
	}
	check(t, "what counts", a.reads("note"), b.reads("note"))
}

func mustStats(t *testing.T, n node) synckit.Stats {
	t.Helper()
	s, err := n.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An event whose key is not here waits as it came, is never data, and is taken once the key
// is here.
func TestAnEventThatCannotBeOpenedWaits(t *testing.T) {
	t.Parallel()
	hub, mine, theirs := memory.New(), newKey(t), newKey(t)
	over := func(codec sealed.Codec) synckit.Transport {
		return sealed.Over(memtransport.New("hub", hub), codec, sealed.Options{})
	}
	them := newNode(t, memory.New(), over(codecOf(t, theirs)))
	them.write("t1", "note", "theirs")
	them.sync()
	store := memory.New()
	a := newNode(t, store, over(codecOf(t, mine)))
	a.write("a1", "other", "mine")
	r := a.sync()
	check(t, "errors", len(r.Errors), 1)
	check(t, "pushed all the same", r.EventsPushed, 1)
	check(t, "is it data", a.reads("note"), "")
	if strings.Contains(everything(t, store), "t1") {
		t.Error("it is in the log")
	}
	reviews, err := a.Reviews(t.Context(), "", 10)
	if err != nil || len(reviews) != 1 || len(reviews[0].Remote) != 1 {
		t.Fatalf("reviews: %+v, %v", reviews, err)
	}
	check(t, "it waits as it came", reviews[0].Remote[0].Event.Type(), synckit.SealedType)
	if !strings.Contains(reviews[0].Reason, "another key") {
		t.Errorf("the reason: %s", reviews[0].Reason)
	}
	if err := a.Decide(t.Context(), reviews[0].ID, reviews[0].Remote); errors.CodeOf(err) != errors.InvalidEvent {
		t.Errorf("it is taken as it is: %v", err)
	}
	check(t, "a sync later", a.sync().EventsPulled, 0)
	a.Close()

	again := newNode(t, store, over(codecOf(t, mine, theirs)))
	check(t, "with the key", again.sync().EventsPulled, 1)
	check(t, "it is data", again.reads("note"), "t1 SecretType theirs secret author 1")
	check(t, "and waits no more", mustStats(t, again).Reviews, 0)
}

// What somebody at the peer changes or puts elsewhere is not opened.
func TestForgedEvents(t *testing.T) {
	t.Parallel()
	hub, key := memory.New(), newKey(t)
	a := newNode(t, memory.New(), sealed.Over(memtransport.New("hub", hub), codecOf(t, key), sealed.Options{}))
	a.write("a1", "note", "text")
	a.sync()
	entries, err := hub.Load(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	genuine := entries[0].Event
	text := string(genuine.Data().(json.RawMessage))
	middle := len(text) / 2
	other := "A"
	if text[middle] == 'A' {
		other = "B"
	}
	forged := memory.New()
	for _, e := range []synckit.Event{
		genuine,
		synckit.NewEvent("elsewhere", synckit.SealedType, "note", genuine.Data(), nil),
		synckit.NewEvent("changed", synckit.SealedType, "note", json.RawMessage(text[:middle]+other+text[middle+1:]), nil),
		synckit.NewEvent("no box", synckit.SealedType, "note", map[string]any{"a": 1}, nil),
		synckit.NewEvent("no base64", synckit.SealedType, "note", "%%%", nil),
		synckit.NewEvent("plain", "SecretType", "note", map[string]string{"text": "forged"}, nil),
	} {
		if err := forged.Store(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	moved := memory.New()
	if err := moved.Store(t.Context(), synckit.NewEvent("a1", synckit.SealedType, "another note", genuine.Data(), nil), nil); err != nil {
		t.Fatal(err)
	}
	b := newNode(t, memory.New(), sealed.Over(memtransport.New("forged", forged), codecOf(t, key), sealed.Options{}))
	r := b.sync()
	check(t, "pulled", r.EventsPulled, 1)
	check(t, "refused", r.ReviewsAdded, 5)
	check(t, "what counts", b.reads("note"), a.reads("note"))
	c := newNode(t, memory.New(), sealed.Over(memtransport.New("moved", moved), codecOf(t, key), sealed.Options{}))
	check(t, "of another aggregate", c.sync().EventsPulled, 0)
}

// Events that were written before they were sealed are taken where the app says so.
func TestPlainEventsOfBefore(t *testing.T) {
	t.Parallel()
	hub, codec := memory.New(), codecOf(t, newKey(t))
	before := newNode(t, memory.New(), memtransport.New("hub", hub))
	before.write("p1", "note", "plain")
	before.sync()
	store := memory.New()
	strict := newNode(t, store, sealed.Over(memtransport.New("hub", hub), codec, sealed.Options{}))
	check(t, "pulled", strict.sync().EventsPulled, 0)
	strict.Close()
	lenient := newNode(t, store, sealed.Over(memtransport.New("hub", hub), codec, sealed.Options{AcceptPlain: true}))
	check(t, "pulled", lenient.sync().EventsPulled, 1)
	check(t, "waiting", mustStats(t, lenient).Reviews, 0)
}

// away is a codec whose keys are somewhere else, which may not answer.
type away struct {
	sealed.Codec
	failure error // nil: it answers
}

func (c *away) Seal(ctx context.Context, place sealed.Place, content []byte) ([]byte, error) {
	if c.failure != nil {
		return nil, c.failure
	}
	return c.Codec.Seal(ctx, place, content)
}

func (c *away) Open(ctx context.Context, place sealed.Place, box []byte) ([]byte, error) {
	if c.failure != nil {
		return nil, c.failure
	}
	return c.Codec.Open(ctx, place, box)
}

func TestKeysThatAreAwayForAWhile(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"a code":         errors.New(errors.Unavailable, "ask for the key", nil),
		"no code":        stderrors.New("connection refused"),
		"its own time":   fmt.Errorf("ask for the key: %w", context.DeadlineExceeded),
		"its own cancel": fmt.Errorf("ask for the key: %w", context.Canceled),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keysAway(t, failure)
		})
	}
}

// keysAway has a codec fail for a while: nothing is refused or passed over meanwhile.
func keysAway(t *testing.T, failure error) {
	t.Helper()
	hub, codec := memory.New(), &away{Codec: codecOf(t, newKey(t))}
	over := func() synckit.Transport { return sealed.Over(memtransport.New("hub", hub), codec, sealed.Options{}) }
	a, b := newNode(t, memory.New(), over()), newNode(t, memory.New(), over())
	a.write("a1", "note", "text")
	codec.failure = failure
	if _, err := a.Push(t.Context()); errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("push without keys: %v", err)
	}
	codec.failure = nil
	check(t, "refused", mustStats(t, a).Reviews, 0)
	check(t, "pushed", a.sync().EventsPushed, 1)
	codec.failure = failure
	if _, err := b.Pull(t.Context()); errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("pull without keys: %v", err)
	}
	codec.failure = nil
	check(t, "pulled", b.sync().EventsPulled, 1)
	check(t, "waiting", mustStats(t, b).Reviews, 0)
}

func TestNoKeyIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := sealed.WithKeys(seal.Key{}); errors.CodeOf(err) != errors.InvalidOptions {
		t.Errorf("no key: %v", err)
	}
	if _, err := sealed.WithKeys(newKey(t), seal.Key{}); errors.CodeOf(err) != errors.InvalidOptions {
		t.Errorf("no second key: %v", err)
	}
}

// FuzzOpen has a peer hold what strangers wrote: only what was sealed is an event, and as it was.
func FuzzOpen(f *testing.F) {
	identity, err := signing.ParsePrivateKey(strings.Repeat("11", 32)) // always the same: seeds are sealed by it
	if err != nil {
		f.Fatal(err)
	}
	key, err := seal.NewKey(identity)
	if err != nil {
		f.Fatal(err)
	}
	codec := codecOf(f, key)
	box, err := codec.Seal(f.Context(), sealed.Place{EventID: "e", AggregateID: "a"}, []byte(`{"type":"T","data":1}`))
	if err != nil {
		f.Fatal(err)
	}
	encoded, err := json.Marshal(box)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("e", "a", string(encoded))
	f.Fuzz(func(t *testing.T, id, aggregate, data string) {
		store := memory.New()
		defer store.Close()
		if store.Store(t.Context(), synckit.NewEvent(id, synckit.SealedType, aggregate, json.RawMessage(data), nil), nil) != nil {
			return
		}
		page, err := sealed.Over(memtransport.New("peer", store), codec, sealed.Options{}).PullPage(t.Context(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		genuine := id == "e" && aggregate == "a" && data == string(encoded)
		switch {
		case len(page.Events)+len(page.Unreadable) != 1:
			t.Errorf("%q came as %+v", id, page)
		case len(page.Events) == 1 && (page.Events[0].Event.Type() != "T" || id != "e" || aggregate != "a"):
			t.Errorf("%q of %q was opened as %+v", id, aggregate, page.Events[0].Event)
		case genuine && len(page.Events) == 0:
			t.Errorf("what was sealed is not opened: %v", page.Unreadable[0].Err)
		}
	})
}
