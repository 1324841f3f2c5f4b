package recordtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"syncline/record"
)

// Grouped is a Harness of a store that carries out several requests in one
// transaction.
type Grouped struct {
	Harness
	// Together has the store carry out requests as a group, in this order, and
	// waits for what each came to. The contexts of some end just before that.
	Together func(submissions []Submission) []Outcome
	// Poison is the id of a record that the database refuses to store, with an
	// error that it has for nothing else.
	Poison string
}

// Submission is a request as it comes to a store.
type Submission struct {
	Owner   record.Owner
	Request record.Request
	Ends    bool // before its group begins
}

// Outcome is what a request came to.
type Outcome struct {
	Result record.Result
	Err    error
}

// RunGroups has random groups of requests carried out, and compares each with a
// model that does one request after another. Members of a group conflict, are
// refused, repeat each other, have ended already, or cannot be stored: that is
// nothing to their neighbours.
func RunGroups(t *testing.T, h Grouped, groups int) {
	t.Helper()
	random, w := newRandom(t), newWorld(t, h.Harness)
	g := &grouper{Grouped: h, t: t, random: random}
	for n := range byte(5) {
		g.owners = append(g.owners, newWalker(t, w, n, random))
	}
	for n := range groups {
		g.run(1 + random.IntN(10))
		if n%50 == 49 {
			for _, o := range g.owners {
				o.catchUp()
			}
		}
	}
	for _, o := range g.owners {
		o.catchUp()
	}
}

// grouper drives a store by groups and models one request at a time.
type grouper struct {
	Grouped
	t      *testing.T
	random *rand.Rand
	owners []*walker
}

// run has a group carried out. What changes fences and floors happens before it.
func (g *grouper) run(size int) {
	g.t.Helper()
	var submissions []Submission
	for range size {
		o := g.owners[g.random.IntN(len(g.owners))]
		if g.random.IntN(40) == 0 {
			o.changeSurroundings()
		}
	}
	for range size {
		submissions = append(submissions, g.submission())
	}
	outcomes := g.Together(submissions)
	for i, s := range submissions {
		g.compare(s, outcomes[i])
	}
}

func (g *grouper) submission() Submission {
	// Few owners to a group, so that most have several requests in it.
	o := g.owners[g.random.IntN(1+g.random.IntN(len(g.owners)))]
	s := Submission{Owner: o.owner, Ends: g.random.IntN(20) == 0}
	switch n := g.random.IntN(100); {
	case n < 15 && o.last != nil:
		s.Request = *o.last
	case n < 17:
		s.Request = batch(setWrite("beside", "x", 0), setWrite(g.Poison, "x", 0))
	default:
		s.Request = o.request()
		if s.Request.MutationID != nil {
			o.last = &s.Request
		}
	}
	return s
}

// compare has the model do what the store did.
func (g *grouper) compare(s Submission, got Outcome) {
	g.t.Helper()
	if s.Ends {
		assertIs(g.t, got.Err, context.Canceled)
		return
	}
	if last := s.Request.Writes[len(s.Request.Writes)-1]; last.ID == g.Poison {
		if got.Err == nil {
			g.t.Fatalf("%s was stored", g.Poison)
		}
		return
	}
	var want string
	var wantErr error
	for _, o := range g.owners {
		if o.owner == s.Owner {
			want, wantErr = o.model.write(s.Request)
		}
	}
	err := got.Err
	if _, bad := errors.AsType[*record.InvalidError](err); bad {
		err = errInvalid
	}
	if !errors.Is(err, wantErr) {
		g.t.Fatalf("%+v: error %v, the model says %v", s.Request, got.Err, wantErr)
	}
	if err == nil && describe(got.Result) != want {
		g.t.Fatalf("%s\ngot   %s\nmodel %s", fmt.Sprintf("%+v", s.Request), describe(got.Result), want)
	}
}
