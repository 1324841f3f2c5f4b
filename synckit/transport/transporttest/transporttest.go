// Package transporttest is the conformance suite of synckit.Transport and
// synckit.PagedTransport. A transport of your own passes it like this:
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, func(t *testing.T, _ ...transporttest.Ability) transporttest.Peer {
//			return transporttest.Peer{Connect: func(t *testing.T) synckit.Transport { return dial(t) }, ...}
//		})
//	}
package transporttest

import (
	"context"
	"testing"
	"time"

	"syncline/synckit"
)

// Peer is what transports reach. It is fresh, with an empty log, for each test.
// A function that is nil needs its reason in Cannot.
type Peer struct {
	// Connect makes a transport to the peer, as another process would. The suite
	// closes it, more than once too.
	Connect func(t *testing.T) synckit.Transport
	// Stop ends the peer at once, as a power cut would, with all connections.
	// Start starts it again with the log that it had.
	Stop, Start func(t *testing.T)
	// Replace puts another, empty log in the place of the peer's.
	Replace func(t *testing.T)
	// Fail makes the peer's storage fail, or work again.
	Fail func(failing bool)
	// Inject puts an event into the peer's log as an app at the peer would, with a
	// version of which transports do not know.
	Inject func(t *testing.T, e synckit.EventWithVersion)
	// Cannot says why there is no such function, or no such ability.
	Cannot map[Ability]string
}

// Ability is something that not every transport or peer can do.
type Ability string

// The abilities that the suite asks about.
const (
	Stopping  Ability = "stop and start"
	Replacing Ability = "replace the log"
	Failing   Ability = "make storage fail"
	Paging    Ability = "read by pages"            // synckit.PagedTransport
	Skipping  Ability = "tell where a push stands" // synckit.SkippingTransport
	Injecting Ability = "have events of other apps"
)

// A test is one of the suite, with the abilities that it needs.
type test struct {
	name  string
	run   func(*testing.T, Peer)
	needs []Ability
}

var tests = []test{
	{"what is pushed is read, in order", readsInOrder, nil},
	{"an empty push is nothing", pushesNothing, nil},
	{"a push again changes nothing", pushesAgain, nil},
	{"pushes of one event race", racesOnOneEvent, nil},
	{"an id with other content is refused, alone", refusesReusedIDs, nil},
	{"what cannot be an event is refused, alone", refusesInvalidEvents, nil},
	{"hostile ids and data arrive as they are", carriesHostileEvents, nil},
	{"versions arrive as they are", carriesVersions, nil},
	{"large batches arrive", pushesLargeBatches, nil},
	{"large events arrive", pushesLargeEvents, nil},
	{"a pull after a version brings the rest", pullsAfterVersion, nil},
	{"a subscription is woken", subscribes, nil},
	{"each subscription is woken", subscribesTwice, nil},
	{"a subscription ends with its context", endsSubscriptionWithContext, nil},
	{"a subscription ends with the transport", endsSubscriptionWithClose, nil},
	{"a subscription ends with its handler", endsSubscriptionWithHandler, nil},
	{"a context that has ended", heedsContext, nil},
	{"Close", closes, nil},
	{"pages follow one another", pages, []Ability{Paging}},
	{"pages of a log that grows", pagesWhileWriting, []Ability{Paging}},
	{"a cursor serves another connection", resumesElsewhere, []Ability{Paging}},
	{"what was just pushed can be skipped", skipsOwn, []Ability{Paging, Skipping}},
	{"a cursor that cannot be read", refusesBadCursors, []Ability{Paging}},
	{"a cursor survives a restart", resumesAfterRestart, []Ability{Paging, Stopping}},
	{"a cursor of a replaced log is lost", losesCursor, []Ability{Paging, Replacing}},
	{"nothing of another log is skipped", skipsNothingOfAnotherLog, []Ability{Paging, Skipping, Replacing}},
	{"a peer that is away", pushesLater, []Ability{Stopping}},
	{"a subscription resumes", resumesSubscription, []Ability{Stopping}},
	{"what cannot be read holds up nothing", readsAround, []Ability{Paging, Injecting}},
	{"what is dropped is gone", drops, []Ability{Paging}},
	{"only what is stored is acknowledged", acknowledgesWhatIsStored, []Ability{Failing}},
}

// Run runs the suite. Tests that need what the peer cannot do are left out; the
// log says which, and why. newPeer is told what the test needs: a peer that is
// costly to start may be shared among tests that need nothing, if its logs are
// kept apart.
func Run(t *testing.T, newPeer func(t *testing.T, needs ...Ability) Peer) {
	for _, one := range tests {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			peer := newPeer(t, one.needs...)
			for _, ability := range one.needs {
				if why, ok := peer.Cannot[ability]; ok {
					t.Logf("left out, for the peer cannot %s: %s", ability, why)
					return
				}
			}
			one.run(t, peer)
		})
	}
}

// patience bounds what must happen. It is generous: only a failing test waits so long.
const patience = 60 * time.Second

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func connect(t *testing.T, peer Peer) synckit.Transport {
	t.Helper()
	transport := peer.Connect(t)
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return transport
}

func connectPaged(t *testing.T, peer Peer) synckit.PagedTransport {
	t.Helper()
	paged, ok := connect(t, peer).(synckit.PagedTransport)
	if !ok {
		t.Fatalf("the transport is no PagedTransport; say so in Cannot[%q]", Paging)
	}
	return paged
}
