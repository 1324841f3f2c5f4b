package linearizability

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// holder is who holds the lock, as clients see it.
type holder struct {
	instance  string
	token     int64
	expiresAt int64 // in microseconds of Unix time
}

// lockView is the state of the lock, as clients see it.
type lockView struct {
	exclusive bool
	holders   []holder // by instance
}

// acquireInput is a call of setLock. number tells the calls of a history apart.
type acquireInput struct {
	number    int
	instance  string
	exclusive bool
	ttl       time.Duration
	renews    int64 // the token of the only grant that may be renewed; 0: any may, or a new one is taken
}

// clockStep is by how much a clock may be off that ticks by the millisecond.
const clockStep = 2 * time.Millisecond

// Statuses of an acquisition. One that was lost has none.
const (
	acquired = "ACQUIRED"
	held     = "HELD"
	released = "RELEASED"
)

type acquireOutput struct {
	status  string
	renewed bool
	holder  // the instance's own hold, if acquired
	lock    lockView
}

// releaseInput is a call of setLock without acquire.
type releaseInput struct{ instance string }

type releaseOutput struct {
	lost bool
	lock lockView
}

// lockInput is a call of lock, which is answered with a lockView.
type lockInput struct{}

// fencedInput is a write under the lock that nothing but its fence can keep from
// success; it is answered with a status.
type fencedInput struct{ token int64 }

// Errors of the API.
const (
	fenced       = "FENCED"
	neverGranted = "BAD_USER_INPUT"
)

// fenceInput is called by nobody: it raises the fence to the token of a grant,
// where that is not part of the grant itself.
type fenceInput struct {
	number int
	token  int64 // 0 if the answer was lost
}

// timed is an input and when it was called and answered, in nanoseconds. Between
// the two the store read its clock and judged by it which holds had ended. That
// may be a moment before the instant in which the operation takes effect.
type timed struct {
	call, answer int64
	input        any
}

// hold is a hold as the one server has it.
type hold struct {
	instance  string
	expiresAt int64 // 0: nobody has seen it yet
	// The hold ends some time between: neither before its time to live can have
	// run out, nor after it must have.
	earliest, latest int64
}

// lockState is a lock as one server has it that does one thing at a time. It is
// never changed, only replaced. Grants that took a new token are counted from 1:
// the order of their tokens is theirs. All holds are of the last one.
type lockState struct {
	exclusive bool
	holds     []hold      // by instance; the next grant removes those that ended
	tokens    []int64     // of the grants; 0: nobody has seen it yet
	fence     int         // the grant at whose token the fence stands
	lost      map[int]int // to what grant the acquisitions belong that were lost
}

// lockModel is of locks whose grants raise the fence in the same instant, or,
// with fenceApart, some time before they are answered.
func lockModel(fenceApart bool) porcupine.Model {
	seed := maphash.MakeSeed()
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{lockState{}} },
		Step: func(state, input, output any) []any {
			return stepLock(state.(lockState), input.(timed), output, fenceApart)
		},
		Equal: func(a, b any) bool {
			x, y := a.(lockState), b.(lockState)
			return x.exclusive == y.exclusive && x.fence == y.fence && slices.Equal(x.holds, y.holds) &&
				slices.Equal(x.tokens, y.tokens) && maps.Equal(x.lost, y.lost)
		},
		Hash: func(state any) uint64 {
			s := state.(lockState)
			return maphash.Comparable(seed, [3]int{len(s.holds), len(s.tokens), s.fence})
		},
		DescribeOperation: func(input, output any) string {
			in := input.(timed).input
			return fmt.Sprintf("%T%+v -> %+v", in, in, output)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return model.ToModel()
}

// stepLock answers the states that an operation may leave which was answered as
// it was; none if it cannot have been.
func stepLock(s lockState, at timed, output any, fenceApart bool) (after []any) {
	switch in := at.input.(type) {
	case fencedInput:
		if s.judges(in, output.(string)) {
			return []any{s}
		}
		return nil
	case fenceInput:
		if ok, raised := s.raiseFence(in); ok {
			return []any{raised}
		}
		return nil
	}
	for _, live := range s.views(at) {
		after = append(after, s.step(live, at, output, fenceApart)...)
	}
	return after
}

// views are the ways to see the lock by a clock that was read during an
// operation: which holds had ended is uncertain at times.
func (s lockState) views(at timed) []lockState {
	sets := [][]hold{nil}
	for _, h := range s.holds {
		var with, without [][]hold
		if at.call <= h.latest {
			for _, set := range sets {
				with = append(with, append(slices.Clip(set), h))
			}
		}
		if at.answer >= h.earliest {
			without = sets
		}
		sets = slices.Concat(with, without)
	}
	views := make([]lockState, len(sets))
	for i, set := range sets {
		views[i] = s
		views[i].holds = set
		views[i].exclusive = s.exclusive && len(set) > 0
	}
	return views
}

// step is an operation on a lock whose live holds are known. What it does not
// change stays, also what it took for ended: it does not clean up.
func (s lockState) step(live lockState, at timed, output any, fenceApart bool) []any {
	switch in := at.input.(type) {
	case acquireInput:
		out := output.(acquireOutput)
		ok, granted, after := live.acquire(in, out, at, fenceApart)
		if !granted {
			after = s.learn(after)
		}
		return only(ok, after)
	case releaseInput:
		return s.release(live, in, output.(releaseOutput))
	case lockInput:
		ok, seen := live.shows(output.(lockView))
		return only(ok, s.learn(seen))
	}
	panic(fmt.Sprintf("no such operation: %T", at.input))
}

func only(ok bool, s lockState) []any {
	if ok {
		return []any{s}
	}
	return nil
}

// release ends the instance's hold. One that had ended may be left as it is, for
// those to see whose clock was read a moment earlier.
func (s lockState) release(live lockState, in releaseInput, out releaseOutput) []any {
	ok, seen := true, live.without(in.instance)
	if !out.lost {
		ok, seen = seen.shows(out.lock)
	}
	if !ok {
		return nil
	}
	after := []any{s.learn(seen).without(in.instance)}
	if !live.has(in.instance) {
		after = append(after, s.learn(seen))
	}
	return after
}

// learn is the state with what a view of it showed.
func (s lockState) learn(seen lockState) lockState {
	s.tokens = seen.tokens
	s.holds = slices.Clone(s.holds)
	for i, h := range s.holds {
		for _, known := range seen.holds {
			if known.instance == h.instance {
				s.holds[i] = known
			}
		}
	}
	return s
}

// judges tells whether a write under the lock can have been answered so.
func (s lockState) judges(in fencedInput, status string) bool {
	grant := slices.Index(s.tokens, in.token) + 1
	want := success
	if grant < s.fence {
		want = fenced
	}
	return grant > 0 && grant <= s.fence && status == want
}

// acquire judges by the holds that are live, and removes all others if it grants.
func (s lockState) acquire(in acquireInput, out acquireOutput, at timed, fenceApart bool) (ok, granted bool, after lockState) {
	mine := s.has(in.instance)
	others := len(s.holds) > 1 || len(s.holds) == 1 && !mine
	renewed := mine && (s.exclusive || !in.exclusive)
	refusal := ""
	switch {
	case in.renews != 0 && (!mine || s.tokens[len(s.tokens)-1] != in.renews): // it knows its token, which was answered
		refusal = released
	case others && (in.exclusive || s.exclusive), in.renews != 0 && !renewed:
		refusal = held
	}
	if refusal != "" {
		if out.status == "" {
			return true, false, s
		}
		ok, after = s.shows(out.lock)
		return ok && out.status == refusal, false, after
	}
	if !renewed && !others {
		s.tokens = append(slices.Clip(s.tokens), 0)
	}
	s = s.with(in, at)
	if !fenceApart {
		s.fence = len(s.tokens)
	}
	if out.status == "" {
		return true, true, s.remember(in.number)
	}
	ok, after = s.shows(out.lock)
	return ok && out.status == acquired && out.renewed == renewed && slices.Contains(out.lock.holders, out.holder), true, after
}

// with is the state with a hold that was granted or renewed.
func (s lockState) with(in acquireInput, at timed) lockState {
	s = s.without(in.instance)
	s.holds = append(s.holds, hold{ // in a slice of its own
		instance: in.instance,
		earliest: at.call + int64(in.ttl-clockStep),
		latest:   at.answer + int64(in.ttl+clockStep),
	})
	slices.SortFunc(s.holds, func(a, b hold) int { return cmp.Compare(a.instance, b.instance) })
	s.exclusive = in.exclusive
	return s
}

// remember notes to what grant a lost acquisition belongs.
func (s lockState) remember(number int) lockState {
	lost := map[int]int{number: len(s.tokens)}
	maps.Copy(lost, s.lost)
	s.lost = lost
	return s
}

// without is the state without an instance's hold, in a slice of its own.
func (s lockState) without(instance string) lockState {
	s.holds = slices.DeleteFunc(slices.Clone(s.holds), func(h hold) bool { return h.instance == instance })
	s.exclusive = s.exclusive && len(s.holds) > 0
	return s
}

func (s lockState) has(instance string) bool {
	return slices.ContainsFunc(s.holds, func(h hold) bool { return h.instance == instance })
}

// shows tells whether a client can have seen this state, and returns what is
// known of it then.
func (s lockState) shows(view lockView) (bool, lockState) {
	if view.exclusive != s.exclusive || len(view.holders) != len(s.holds) {
		return false, s
	}
	s.holds = slices.Clone(s.holds)
	for i, seen := range view.holders {
		h := &s.holds[i]
		if seen.instance != h.instance || h.expiresAt != 0 && h.expiresAt != seen.expiresAt {
			return false, s
		}
		h.expiresAt = seen.expiresAt
		var ok bool
		if ok, s = s.showsToken(seen.token); !ok {
			return false, s
		}
	}
	return true, s
}

// showsToken is shows for the token of the last grant. A new one is above all
// that were before, known or not.
func (s lockState) showsToken(token int64) (bool, lockState) {
	last := len(s.tokens) - 1
	if s.tokens[last] != 0 {
		return s.tokens[last] == token, s
	}
	least := int64(1)
	for _, t := range s.tokens[:last] {
		least = max(least, t) + 1
	}
	s.tokens = slices.Clone(s.tokens)
	s.tokens[last] = token
	return token >= least, s
}

func (s lockState) raiseFence(in fenceInput) (bool, lockState) {
	grant := s.lost[in.number]
	if in.token > 0 {
		if grant = slices.Index(s.tokens, in.token) + 1; grant == 0 {
			return false, s // it comes after the grant
		}
	}
	s.fence = max(s.fence, grant)
	return true, s
}
