package linearizability

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

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
}

// Statuses of an acquisition. One that was lost has none.
const (
	acquired = "ACQUIRED"
	held     = "HELD"
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

// The rest is called by nobody. It happens some time in an interval.

// expiryInput ends the hold that an acquisition granted or renewed, unless it
// was renewed again since: neither before its time to live can have run out, nor
// after it must have.
type expiryInput struct {
	instance string
	number   int
}

// fenceInput raises the fence to the token of a grant, where that is not part of
// the grant itself.
type fenceInput struct {
	number int
	token  int64 // 0 if the answer was lost
}

// hold is a hold as the one server has it.
type hold struct {
	instance  string
	number    int   // of the acquisition that granted or renewed it last
	expiresAt int64 // 0: nobody has seen it yet
}

// lockState is a lock as one server has it that does one thing at a time. It is
// never changed, only replaced. Grants that took a new token are counted from 1:
// the order of their tokens is theirs. All holds are of the last one.
type lockState struct {
	exclusive bool
	holds     []hold      // by instance
	tokens    []int64     // of the grants; 0: nobody has seen it yet
	fence     int         // the grant at whose token the fence stands
	lost      map[int]int // to what grant the acquisitions belong that were lost
}

// lockModel is of locks whose grants raise the fence in the same instant, or,
// with fenceApart, some time before they are answered.
func lockModel(fenceApart bool) porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Init: func() any { return lockState{} },
		Step: func(state, input, output any) (bool, any) {
			return stepLock(state.(lockState), input, output, fenceApart)
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
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%T%+v -> %+v", input, input, output) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

func stepLock(s lockState, input, output any, fenceApart bool) (bool, lockState) {
	switch in := input.(type) {
	case acquireInput:
		return s.acquire(in, output.(acquireOutput), fenceApart)
	case releaseInput:
		out := output.(releaseOutput)
		s = s.without(in.instance)
		if out.lost {
			return true, s
		}
		return s.shows(out.lock)
	case lockInput:
		return s.shows(output.(lockView))
	case fencedInput:
		grant := slices.Index(s.tokens, in.token) + 1
		want := success
		if grant < s.fence {
			want = fenced
		}
		return grant > 0 && grant <= s.fence && output.(string) == want, s
	case expiryInput:
		if s.has(in.instance, in.number) {
			s = s.without(in.instance)
		}
		return true, s
	case fenceInput:
		return s.raiseFence(in)
	}
	panic(fmt.Sprintf("no such operation: %T", input))
}

func (s lockState) acquire(in acquireInput, out acquireOutput, fenceApart bool) (bool, lockState) {
	mine := slices.ContainsFunc(s.holds, func(h hold) bool { return h.instance == in.instance })
	others := len(s.holds) > 1 || len(s.holds) == 1 && !mine
	if others && (in.exclusive || s.exclusive) {
		if out.status == "" {
			return true, s
		}
		ok, after := s.shows(out.lock)
		return ok && out.status == held, after
	}
	renewed := mine && (s.exclusive || !in.exclusive)
	if !renewed && !others {
		s.tokens = append(slices.Clip(s.tokens), 0)
	}
	s = s.without(in.instance)
	s.holds = append(s.holds, hold{instance: in.instance, number: in.number}) // a copy already
	slices.SortFunc(s.holds, func(a, b hold) int { return cmp.Compare(a.instance, b.instance) })
	s.exclusive = in.exclusive
	if !fenceApart {
		s.fence = len(s.tokens)
	}
	if out.status == "" {
		return true, s.remember(in.number)
	}
	ok, after := s.shows(out.lock)
	return ok && out.status == acquired && out.renewed == renewed && slices.Contains(out.lock.holders, out.holder), after
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

func (s lockState) has(instance string, number int) bool {
	return slices.ContainsFunc(s.holds, func(h hold) bool { return h.instance == instance && h.number == number })
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
