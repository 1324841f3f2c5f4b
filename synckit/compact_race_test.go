package synckit_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/memtransport"
)

// Nodes that compact at once, at whatever steps, agree on one snapshot, and nothing is in two.
func TestNodesThatCompactAtOnce(t *testing.T) {
	t.Parallel()
	for step := range 4 { // of the first: which call of Push the second comes before, at a node or in the log itself
		where := [...]string{"a node", "the log itself"}[step/2]
		t.Run(fmt.Sprint("before push ", step%2, " by ", where), func(t *testing.T) {
			t.Parallel()
			hub := newHub(t)
			between := &interrupted{SkippingTransport: memtransport.New("hub", hub), at: step % 2}
			a, b := nodeOver(t, between, synckit.SyncOptions{}), newNode(t, hub, synckit.SyncOptions{})
			a.write("x", "a1", "a2")
			a.sync()
			b.write("x", "b1")
			between.then = func() {
				if b.write("x", "b2"); step < 2 {
					b.compact("x")
					return
				}
				b.sync()
				if _, err := synckit.CompactLog(t.Context(), hub, "x", time.Time{}, sum); err != nil {
					t.Error(err)
				}
			}
			a.compact("x")
			a.sync()
			b.sync()
			c := newNode(t, hub, synckit.SyncOptions{})
			c.sync()
			for _, n := range []node{a, b, c} {
				expect(t, "content", n.content("x"), c.content("x"))
				counts := strings.Fields(n.content("x"))
				if slices.Sort(counts); !slices.Equal(counts, []string{"a1", "a2", "b1", "b2"}) {
					t.Errorf("counts %v", counts)
				}
			}
		})
	}
}

// Nodes that write and compact all the time have each event once.
func TestNodesThatCompactAllTheTime(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	var nodes []node
	var running sync.WaitGroup
	for i := range 4 {
		n := newNode(t, hub, synckit.SyncOptions{BatchSize: 3})
		nodes = append(nodes, n)
		running.Go(func() {
			for round := range 15 {
				n.write("x", fmt.Sprintf("n%d-%d", i, round))
				_, err := n.Compact(t.Context(), "x", time.Time{}, sum)
				if err != nil && errors.CodeOf(err) != errors.Outdated {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	for range 3 {
		for _, n := range nodes {
			n.sync()
		}
	}
	for _, n := range nodes {
		expect(t, "content", n.content("x"), nodes[0].content("x"))
		counts := strings.Fields(n.content("x"))
		if slices.Sort(counts); len(counts) != 60 || len(slices.Compact(counts)) != 60 {
			t.Errorf("%d events count", len(counts))
		}
	}
}

// Two nodes have proposed, and one has not seen the other's proposal when it commits its own.
func TestTheFirstProposalIsCommitted(t *testing.T) {
	t.Parallel()
	hub := newHub(t)
	first := &interrupted{SkippingTransport: memtransport.New("hub", hub), at: 1} // before it commits
	second := &interrupted{SkippingTransport: memtransport.New("hub", hub)}       // before it proposes
	a, b := nodeOver(t, first, synckit.SyncOptions{}), nodeOver(t, second, synckit.SyncOptions{})
	a.write("x", "a1", "a2")
	a.sync()
	committing, others, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	first.then = func() { close(committing); <-others }
	second.then = func() {
		a.write("x", "a3") // so that the two are not the same
		b.write("x", "b1")
		go func() {
			_, err := a.Compact(t.Context(), "x", time.Time{}, sum)
			done <- err
		}()
		<-committing
	}
	b.write("x", "b0")
	_, err := b.Compact(t.Context(), "x", time.Time{}, sum)
	close(others)
	if err = stderrors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a.sync()
		b.sync()
	}
	for _, n := range []node{a, b} {
		expect(t, "content", n.content("x"), "a1 b0 a2 a3 b1")
	}
}

// interrupted is a transport that is held up before a push of a compaction.
type interrupted struct {
	synckit.SkippingTransport
	at   int // which one
	then func()
}

func (i *interrupted) Push(ctx context.Context, events []synckit.EventWithVersion) error {
	if then := i.then; then != nil && strings.HasPrefix(events[0].Event.Type(), "synckit.") {
		if i.at--; i.at < 0 {
			i.then = nil
			then()
		}
	}
	return i.SkippingTransport.Push(ctx, events)
}

var errKilled = stderrors.New("killed")
