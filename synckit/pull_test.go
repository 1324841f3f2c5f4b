package synckit_test

import (
	"context"
	stderrors "errors"
	"strings"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// A page that was taken but whose cursor was lost on the way changes nothing the
// second time.
func TestAPageThatComesTwice(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	transport := newScripted(hub)
	a := nodeOver(t, transport, synckit.SyncOptions{})
	for _, id := range []string{"h1", "h2"} {
		if err := hub.Store(t.Context(), newEvent(id, "x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	twice := 0
	transport.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		if twice++; twice <= 2 {
			since = ""
		}
		page, err := transport.PagedTransport.PullPage(ctx, since, limit)
		page.Events = append(page.Events, page.Events...)
		return page, err
	}
	check(t, "pulled", a.sync().EventsPulled, 2)
	check(t, "pulled", a.sync().EventsPulled, 0)
	check(t, "log", a.log(), "h1 h2")
}

// The peer's log is another than before: what is here goes there again, also
// what once came from it.
func TestThePeerHasLostItsLog(t *testing.T) {
	t.Parallel()
	old, restored := newHub(t), newHub(t)
	transport := newScripted(old)
	a := nodeOver(t, transport, synckit.SyncOptions{BatchSize: 2})
	b := newNode(t, old, synckit.SyncOptions{})
	b.write("x", "b1", "b2", "b3")
	b.sync()
	a.write("x", "a1")
	a.sync()
	a.write("x", "a2")
	if err := restored.Store(t.Context(), newEvent("b1", "x"), nil); err != nil {
		t.Fatal(err)
	}
	transport.PagedTransport = newScripted(restored).PagedTransport
	r := a.sync()
	check(t, "pulled", r.EventsPulled, 0)
	check(t, "restored", logOf(t, restored), "b1 a1 b2 b3 a2")
	check(t, "pushed afterwards", a.sync().EventsPushed, 0)
	if err := restored.Store(t.Context(), newEvent("r", "x"), nil); err != nil {
		t.Fatal(err)
	}
	r = a.sync()
	check(t, "pulled afterwards", r.EventsPulled, 1)
	check(t, "sent back", r.EventsPushed, 0)
}

func TestAPeerThatOnlyEverLosesCursors(t *testing.T) {
	t.Parallel()
	transport := newScripted(newHub(t))
	lost := errors.New(errors.CursorLost, "pull", nil)
	transport.pullPage = func(_ context.Context, since string, _ int) (synckit.Page, error) {
		if since == "" {
			return synckit.Page{Cursor: "1", More: true}, nil
		}
		return synckit.Page{}, lost
	}
	a := nodeOver(t, transport, synckit.SyncOptions{})
	_, err := a.Sync(t.Context())
	checkCode(t, err, errors.CursorLost)
}

func TestPagesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	transport := newScripted(newHub(t))
	transport.pullPage = func(_ context.Context, since string, _ int) (synckit.Page, error) {
		return synckit.Page{Cursor: since, More: true}, nil
	}
	_, err := nodeOver(t, transport, synckit.SyncOptions{}).Sync(t.Context())
	checkCode(t, err, errors.Internal)
}

// What a peer must not send is kept out of the log with its reason, and the rest
// goes on.
func TestEventsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	transport := newScripted(hub)
	a := nodeOver(t, transport, synckit.SyncOptions{MaxEventBytes: 200, Validate: func(e synckit.Event) error {
		if e.Type() == "Bad" {
			return stderrors.New("of a bad type")
		}
		return nil
	}})
	a.write("x", "taken")
	events := []synckit.EventWithVersion{
		{Event: newEvent("h1", "x")},
		{Event: nil},
		{Event: newEvent("", "x")},
		{Event: synckit.NewEvent("large", "Changed", "x", make([]byte, 300), nil)},
		{Event: synckit.NewEvent("bad", "Bad", "x", nil, nil)},
		{Event: synckit.NewEvent("taken", "Changed", "y", "other content", nil)},
		{Event: newEvent("h2", "x")},
	}
	transport.pullPage = func(_ context.Context, since string, _ int) (synckit.Page, error) {
		if since == "" {
			return synckit.Page{Events: events, Cursor: "1"}, nil
		}
		return synckit.Page{Cursor: since}, nil
	}
	r, err := a.Pull(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, "pulled", r.EventsPulled, 2)
	check(t, "log", a.log(), "taken h1 h2")
	check(t, "reviews", r.ReviewsAdded, 5)
	var codes []errors.Code
	for _, err := range r.Errors {
		codes = append(codes, errors.CodeOf(err))
	}
	check(t, "codes", codes, []errors.Code{
		errors.InvalidEvent, errors.InvalidEvent, errors.TooLarge, errors.InvalidEvent, errors.EventIDReused,
	})
	reviews, err := a.Reviews(t.Context(), "", 10)
	check(t, "error", err, nil)
	for _, review := range reviews {
		kept := review.Remote
		if idsOf(kept) == "taken" { // it can never be stored
			checkCode(t, a.Decide(t.Context(), review.ID, kept), errors.EventIDReused)
			kept = nil
		}
		if err := a.Decide(t.Context(), review.ID, kept); err != nil && idsOf(kept) != "bad" {
			t.Errorf("decide %s: %v", idsOf(kept), err)
		}
	}
	check(t, "log after the decisions", a.log(), "taken h1 h2 bad")
	check(t, "resolutions", len(resolutionsIn(t, a.store)), 0)
}

// What stands in the peer's log and is no event that can be read holds up
// nothing. It is told of once, waits in the reviews, and is taken when it comes
// mended.
func TestWhatCannotBeReadHoldsUpNothing(t *testing.T) {
	t.Parallel()
	transport := newScripted(newHub(t))
	a := nodeOver(t, transport, synckit.SyncOptions{Filter: func(e synckit.Event) bool { return e.Type() != "Unwanted" }})
	damaged := synckit.Unreadable{Name: "r1", Err: stderrors.New("record r1 at revision 2: damaged")}
	future := synckit.Unreadable{
		Name: "r2", Event: newEvent("h3", "x"),
		Err: errors.New(errors.InvalidVersion, "read record", stderrors.New("record r2 at revision 3: of a kind to come")),
	}
	other := synckit.Unreadable{Name: "r4", Err: errors.New(errors.InvalidEvent, "read record", nil)}
	unwanted := synckit.Unreadable{Name: "r3", Event: synckit.NewEvent("h4", "Unwanted", "x", nil, nil)}
	pages := map[string]synckit.Page{
		"":  {Events: []synckit.EventWithVersion{{Event: newEvent("h1", "x")}}, Unreadable: []synckit.Unreadable{damaged, future, other, unwanted}, Cursor: "3", More: true},
		"3": {Events: []synckit.EventWithVersion{{Event: newEvent("h2", "x")}}, Cursor: "4"},
		"4": {Unreadable: []synckit.Unreadable{damaged}, Cursor: "5"},
		"5": {Cursor: "5"},
	}
	transport.pullPage = func(_ context.Context, since string, _ int) (synckit.Page, error) { return pages[since], nil }
	r, err := a.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "log", a.log(), "h1 h2")
	check(t, "errors", r.Errors, []error{
		errors.New(errors.InvalidEvent, "pull", damaged.Err), future.Err, other.Err,
	})
	check(t, "reviews", r.ReviewsAdded, 3)
	for _, want := range []int{1, 0} { // it was written again, still damaged
		r, err = a.Sync(t.Context())
		check(t, "error", err, nil)
		check(t, "errors", len(r.Errors), want)
	}
	reviews, err := a.Reviews(t.Context(), "", 10)
	if err != nil || len(reviews) != 3 {
		t.Fatalf("reviews: %v, %v", reviews, err)
	}
	for _, review := range reviews {
		check(t, "decide", a.Decide(t.Context(), review.ID, review.Remote), nil)
	}
	check(t, "log after the decisions", a.log(), "h1 h2 h3")
}

// A page may have nothing but what cannot be read, and lead no further.
func TestAPageOfWhatCannotBeReadIsToldOf(t *testing.T) {
	t.Parallel()
	transport := newScripted(newHub(t))
	transport.pullPage = func(_ context.Context, since string, _ int) (synckit.Page, error) {
		return synckit.Page{Cursor: since, Unreadable: []synckit.Unreadable{{Name: "entry 1", Err: stderrors.New("damaged")}}}, nil
	}
	a := nodeOver(t, transport, synckit.SyncOptions{})
	r, err := a.Sync(t.Context())
	check(t, "error", err, nil)
	check(t, "errors", len(r.Errors), 1)
	if review := a.onlyReview(); !strings.Contains(review.Reason, "damaged") {
		t.Errorf("reason: %s", review.Reason)
	}
}
