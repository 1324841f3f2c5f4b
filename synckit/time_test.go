package synckit_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"syncline/synckit"
	"syncline/synckit/resolve"
)

// The later write wins, though the app gives its events no time, whoever syncs first
// and whatever the events are called.
func TestTheLaterWriteWinsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(t)
		options := synckit.SyncOptions{ConflictResolver: resolve.LastWriteWins{}}
		a, b := newNode(t, hub, options), newNode(t, hub, options)
		for round := range 40 {
			x := fmt.Sprint("x", round)
			first, second := a, b
			if round&1 > 0 {
				first, second = b, a
			}
			early, late := "early", "late"
			if round&2 > 0 {
				early, late = "z-early", "a-late"
			}
			first.write(x, early+x)
			<-time.After(time.Second)
			second.write(x, late+x)
			if round&4 > 0 {
				first, second = second, first
			}
			first.sync()
			second.sync()
			first.sync()
			check(t, x, a.counts(x), late+x)
			check(t, x, b.counts(x), late+x)
		}
	})
}

// What a decision makes takes part in the next conflict as what was written last when it
// was made: a person's at the time of the decision, a resolver's just after its inputs.
func TestWhatADecisionMakesHasATime(t *testing.T) {
	t.Parallel()
	const inputs, decision = 2 * time.Second, 4 * time.Second
	for name, c := range map[string]struct {
		person   bool
		copied   bool // the new event has the metadata of an old one
		written  time.Duration
		remained string
	}{
		"a person's, an edit before its inputs":          {person: true, written: inputs - time.Second, remained: "merged"},
		"a person's, an edit before it":                  {person: true, written: decision - time.Second, remained: "merged"},
		"a person's, an edit before it, old metadata":    {person: true, copied: true, written: decision - time.Second, remained: "merged"},
		"a person's, an edit after it":                   {person: true, written: decision + time.Second, remained: "edit"},
		"a resolver's, an edit before its inputs":        {written: inputs - time.Second, remained: "merged"},
		"a resolver's, an edit after its inputs":         {written: inputs + time.Second, remained: "edit"},
		"a resolver's, an edit at the time of its last":  {written: inputs, remained: "merged"},
		"a resolver's that has a time, an edit after it": {copied: true, written: time.Second, remained: "edit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				hub := newHub(t)
				merged := func(remote []synckit.EventWithVersion) []synckit.EventWithVersion {
					var metadata map[string]interface{}
					if c.copied {
						metadata = remote[0].Event.Metadata()
					}
					return []synckit.EventWithVersion{{Event: synckit.NewEvent("merged", "Changed", "x", nil, metadata)}}
				}
				decided := false
				a, edits := newNode(t, hub, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{})
				b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolve.Func(
					func(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
						switch {
						case decided:
							return resolve.LastWriteWins{}.Resolve(ctx, local, remote)
						case c.person:
							return nil, synckit.ErrReview
						}
						return merged(remote), nil
					})})
				a.write("x", "a")
				a.sync()
				for now := time.Duration(0); now <= decision+time.Second; now += time.Second {
					if now == inputs {
						b.write("x", "b")
					}
					if now == c.written {
						edits.write("x", "edit")
					}
					if now == decision {
						if _, err := b.Pull(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					if now == decision && c.person {
						review := b.onlyReview()
						if err := b.Decide(t.Context(), review.ID, merged(review.Remote)); err != nil {
							t.Fatal(err)
						}
					}
					<-time.After(time.Second)
				}
				decided = true
				edits.sync()
				check(t, "conflicts", b.sync().ConflictsResolved, 1)
				edits.sync()
				check(t, "b", b.counts("x"), c.remained)
				check(t, "the writer of the edit", edits.counts("x"), c.remained)
			})
		})
	}
}

// Times that cannot be do not spread to what a decision makes, and among events of which
// one has no time a resolver makes one that has none.
func TestTimesOfInputsThatSayNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			ahead  time.Duration // the time of one input; 0: it has none
			person bool
			want   time.Duration // from when the other is written; below 0: there is none
		}{
			"a person's, years ahead":     {9 * 365 * 24 * time.Hour, true, time.Second},
			"a person's, an hour ahead":   {time.Hour, true, time.Hour + time.Microsecond},
			"a person's, no time":         {0, true, time.Second},
			"a resolver's, an hour ahead": {time.Hour, false, time.Hour + time.Microsecond},
			"a resolver's, no time":       {0, false, -1},
		} {
			now, metadata := time.Now(), map[string]interface{}{synckit.ClockKey: 1}
			if c.ahead > 0 {
				metadata[synckit.TimeKey] = int(now.Add(c.ahead).UnixMicro())
			}
			hub := newHub(t)
			if _, err := hub.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{{
				Origin:           "elsewhere",
				EventWithVersion: synckit.EventWithVersion{Event: synckit.NewEvent("a", "Changed", "x", nil, metadata)},
			}}}); err != nil {
				t.Fatal(err)
			}
			merged := []synckit.EventWithVersion{{Event: newEvent("merged", "x")}}
			b := newNode(t, hub, synckit.SyncOptions{ConflictResolver: resolverFunc(
				func(_, _ []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
					if c.person {
						return nil, synckit.ErrReview
					}
					return merged, nil
				})})
			b.write("x", "b")
			b.sync()
			<-time.After(time.Second)
			if c.person {
				if err := b.Decide(t.Context(), b.onlyReview().ID, merged); err != nil {
					t.Fatal(err)
				}
			}
			events, err := synckit.LoadEffective(t.Context(), b.store, "x")
			if err != nil || len(events) != 1 {
				t.Fatalf("%s: %v, %v", name, events, err)
			}
			want := time.Time{}
			if c.want > 0 {
				want = now.Add(c.want).UTC()
			}
			check(t, name, synckit.TimeOf(events[0].Event), want)
		}
	})
}
