package storagetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

func review(id string) synckit.Review {
	return synckit.Review{
		ID: id, AggregateID: "x", Peer: "p", Reason: "both changed",
		Local:  []synckit.EventWithVersion{{Event: note("mine", "x")}},
		Remote: []synckit.EventWithVersion{{Event: note("theirs1", "x")}, {Event: note("theirs2", "x")}},
		Since:  time.Date(2026, 11, 22, 7, 0, 0, 123456000, time.UTC),
	}
}

func addReviews(t *testing.T, log synckit.Log, ids ...string) {
	t.Helper()
	for _, id := range ids {
		commit(t, log, synckit.Commit{AddReviews: []synckit.Review{review(id)}})
	}
}

func reviewIDs(reviews []synckit.Review) string {
	all := make([]string, len(reviews))
	for i, r := range reviews {
		all[i] = r.ID
	}
	return strings.Join(all, " ")
}

func reviews(t *testing.T, log synckit.Log) {
	equal(t, "none", reviewIDs(listReviews(t, log, "", 10)), "")
	full := review("r1")
	full.Remote[0].Version = vector(t, `{"B":3}`)
	commit(t, log, synckit.Commit{AddReviews: []synckit.Review{full, {ID: "bare"}}})
	got := listReviews(t, log, "", 10)
	equal(t, "listed", showReviews(t, got), showReviews(t, []synckit.Review{full, {ID: "bare"}}))
	same(t, got[0].Local[0].Event, full.Local[0].Event)
	same(t, got[0].Remote[1].Event, full.Remote[1].Event)
	if v, ok := got[0].Remote[0].Version.(synckit.CausalVersion); !ok || v.Order(full.Remote[0].Version) != synckit.Equal {
		t.Fatalf("version %v", got[0].Remote[0].Version)
	}
	if v := got[0].Remote[1].Version; v != nil {
		t.Fatalf("a version out of nothing: %v", v)
	}
	equal(t, "the log", show(read(t, log, 0, 10)), "")
	commit(t, log, synckit.Commit{EndReviews: []string{"r1"}})
	equal(t, "one ended", reviewIDs(listReviews(t, log, "", 10)), "bare")
}

func endTwice(t *testing.T, log synckit.Log) {
	addReviews(t, log, "r1")
	commit(t, log, synckit.Commit{EndReviews: []string{"r1"}})
	_, err := log.Commit(t.Context(), synckit.Commit{EndReviews: []string{"r1"}, Append: entries("", note("e1", "x"))})
	hasCode(t, "ended again", err, errors.NotFound)
	equal(t, "after", contents(t, log), "; ")
	_, err = log.Reviews(t.Context(), "never", 10)
	hasCode(t, "after one that never was", err, errors.NotFound)
}

func replacedReviews(t *testing.T, log synckit.Log) {
	addReviews(t, log, "a", "b")
	other := review("a")
	other.Reason = "a third one too"
	commit(t, log, synckit.Commit{AddReviews: []synckit.Review{other}})
	got := listReviews(t, log, "", 10)
	equal(t, "order", reviewIDs(got), "a b")
	equal(t, "reason", got[0].Reason, other.Reason)
}

// endAndAdd ends first: what is added stays.
func endAndAdd(t *testing.T, log synckit.Log) {
	addReviews(t, log, "a", "b")
	commit(t, log, synckit.Commit{EndReviews: []string{"a"}, AddReviews: []synckit.Review{review("a")}})
	equal(t, "now the newest", reviewIDs(listReviews(t, log, "", 10)), "b a")
}

// pagesOfReviews goes on from a review that somebody decided meanwhile.
func pagesOfReviews(t *testing.T, log synckit.Log) {
	addReviews(t, log, "c", "a", "d", "b")
	equal(t, "first page", reviewIDs(listReviews(t, log, "", 2)), "c a")
	commit(t, log, synckit.Commit{EndReviews: []string{"a"}})
	equal(t, "second page", reviewIDs(listReviews(t, log, "a", 1)), "d")
	equal(t, "third page", reviewIDs(listReviews(t, log, "d", 10)), "b")
	equal(t, "after the end", reviewIDs(listReviews(t, log, "b", 10)), "")
	equal(t, "nothing asked", reviewIDs(listReviews(t, log, "", 0)), "")
}

func racingReviews(t *testing.T, log synckit.Log) {
	addReviews(t, log, "r1")
	var wins, losses int
	var mu sync.Mutex
	var done sync.WaitGroup
	for i := range 8 {
		done.Go(func() {
			_, err := log.Commit(t.Context(), synckit.Commit{
				EndReviews: []string{"r1"}, Append: entries("", note(fmt.Sprint("decision", i), "x")),
			})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case errors.CodeOf(err) == errors.NotFound:
				losses++
			default:
				t.Error(err)
			}
		})
	}
	done.Wait()
	equal(t, "who decided", fmt.Sprint(wins, losses), "1 7")
	equal(t, "decisions", len(read(t, log, 0, 10)), 1)
}

func detachedReviews(t *testing.T, log synckit.Log) {
	r := review("r1")
	commit(t, log, synckit.Commit{AddReviews: []synckit.Review{r}})
	r.Local[0].Event = note("another", "x")
	listReviews(t, log, "", 1)[0].Remote[0].Event = note("another", "x")
	equal(t, "listed", showReviews(t, listReviews(t, log, "", 1)), showReviews(t, []synckit.Review{review("r1")}))
}

// foundReview finds reviews that wait, if the log can, as they are listed.
func foundReview(t *testing.T, log synckit.Log) {
	finder, ok := log.(synckit.ReviewFinder)
	if !ok {
		return // it is no part of synckit.Log
	}
	addReviews(t, log, "r1", "r2", "r3")
	commit(t, log, synckit.Commit{EndReviews: []string{"r1"}})
	commit(t, log, synckit.Commit{AddReviews: []synckit.Review{review("r3")}})
	for _, r := range listReviews(t, log, "", 10) {
		found, err := finder.Review(t.Context(), r.ID)
		noError(t, err)
		equal(t, r.ID, showReviews(t, []synckit.Review{found}), showReviews(t, []synckit.Review{r}))
	}
	for _, id := range []string{"r1", "none", ""} {
		_, err := finder.Review(t.Context(), id)
		hasCode(t, id, err, errors.NotFound)
	}
}

// markedReviews tells, if the log can, that reviews were added or ended, and that none were.
func markedReviews(t *testing.T, log synckit.Log) {
	marker, ok := log.(synckit.ReviewMarker)
	if !ok {
		return // it is no part of synckit.Log
	}
	seen := map[string]bool{}
	for step, c := range []synckit.Commit{
		{},
		{AddReviews: []synckit.Review{review("a")}},
		{AddReviews: []synckit.Review{review("b")}},
		{EndReviews: []string{"a"}},
		{AddReviews: []synckit.Review{review("a")}},
		{EndReviews: []string{"a"}, AddReviews: []synckit.Review{review("c")}},
		{EndReviews: []string{"b", "c"}},
	} {
		commit(t, log, c)
		mark, err := marker.ReviewMark(t.Context())
		noError(t, err)
		if mark == "" || seen[mark] {
			t.Fatalf("step %d: mark %q, after %v", step, mark, seen)
		}
		seen[mark] = true
		commit(t, log, synckit.Commit{Append: entries("", note(fmt.Sprint("e", step), "x"))})
		again, err := marker.ReviewMark(t.Context())
		noError(t, err)
		equal(t, "mark without a change", again, mark)
	}
}
