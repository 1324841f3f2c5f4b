package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"testing"

	"syncline/synckit"
	"syncline/synckit/storage/memory"
)

// What an old release of a program could not take arrives when it is brought up to
// date, and no longer waits in the reviews.
func TestWhatAnOldReleaseCouldNotTake(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	store := memory.New()
	line := newScripted(hub)
	const many = 2000
	numbered(t, "h", many, func(e synckit.Event) error { return hub.Store(t.Context(), e, nil) })
	knows := func(release int, id string) bool { return release > 1 || id[len(id)-1] == '0' }
	old := 1
	line.pullPage = func(ctx context.Context, since string, limit int) (synckit.Page, error) {
		page, err := line.PagedTransport.PullPage(ctx, since, limit)
		var events []synckit.EventWithVersion
		for _, e := range page.Events {
			if id := e.Event.ID(); knows(old, id) {
				events = append(events, e)
			} else if unknown := (synckit.Unreadable{Name: "at " + id, Err: stderrors.New("of a newer schema")}); id[len(id)-1] < '5' {
				page.Unreadable = append(page.Unreadable, unknown)
			} else {
				unknown.Event = e.Event // of this one only the version cannot be read
				page.Unreadable = append(page.Unreadable, unknown)
			}
		}
		page.Events = events
		return page, err
	}
	run := func(release string, wantPulled, wantReviews int) {
		t.Helper()
		m := synckit.NewSyncManager(store, line, &synckit.SyncOptions{Release: release})
		defer m.Close()
		r, err := m.Pull(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(t, release+": pulled", r.EventsPulled, wantPulled)
		reviews, err := m.Reviews(t.Context(), "", 2*many)
		check(t, release+": error", err, nil)
		check(t, release+": reviews", len(reviews), wantReviews)
	}
	run("1", many/10, many*9/10)
	run("1", 0, many*9/10)
	run("1.1", 0, many*9/10) // another that does not know them either
	old = 2
	run("1.1", 0, many*9/10)
	run("2", many*9/10, 0)
	run("2", 0, 0)
	check(t, "log", len(entriesOf(t, store)), many)
}

func entriesOf(t *testing.T, log synckit.Log) []synckit.Entry {
	t.Helper()
	entries, err := log.Read(t.Context(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestWhatAnOldReleaseRefused(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	store := memory.New()
	numbered(t, "h", 10, func(e synckit.Event) error { return hub.Store(t.Context(), e, nil) })
	for i, want := range []int{0, 10} {
		m := synckit.NewSyncManager(store, newScripted(hub), &synckit.SyncOptions{
			Release: fmt.Sprint(i), Validate: func(synckit.Event) error {
				if i == 0 {
					return stderrors.New("what is this?")
				}
				return nil
			},
		})
		r, err := m.Pull(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(t, "pulled", r.EventsPulled, want)
		check(t, "reviews", countReviews(t, m), 10-want)
		m.Close()
	}
}
