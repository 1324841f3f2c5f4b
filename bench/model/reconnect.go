package model

import (
	"math/rand/v2"
	"slices"
	"time"
)

// How clients pause between tries to connect, those in Go and in JavaScript alike: each limit is
// twice the one before, and the pause is between half of it and all of it.
const (
	shortestLimit = 100 * time.Millisecond
	longestLimit  = 10 * time.Second
)

// pause is the one after so many tries that failed, from 0.
func pause(failed int, random *rand.Rand) time.Duration {
	half := min(shortestLimit<<min(failed, 20), longestLimit) / 2
	return half + time.Duration(random.Int64N(int64(half)))
}

// Loss is a region that failed, or a proxy: all devices lose their connections at once, and no
// try succeeds until it is back.
type Loss struct {
	Devices int
	Away    time.Duration
	Refused time.Duration // after which a try fails meanwhile: one that nothing answers takes long
	// ConnectsPerSecond is how many devices the service can take in.
	ConnectsPerSecond float64
	// InitTimeout is after which the service gives up a device that it has not come to, whose
	// try then has failed.
	InitTimeout time.Duration
}

// Return is how devices came back.
type Return struct {
	MostTries          int           // in a second, after the service was back
	Half, P99, All     time.Duration // after it was back, until so many of the devices were
	Tries              float64       // of a device, those while it was away not included
	LongestWaitInQueue time.Duration
}

const step = 10 * time.Millisecond

// Simulate lets all devices come back. The service takes them in as they come, one after the
// other. The same seed gives the same result.
func Simulate(l Loss, seed uint64) Return {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // G404: a simulation
	s := simulation{Loss: l, random: random, due: map[int][]device{}, tries: map[int]int{}}
	for range l.Devices {
		s.retry(0, device{})
	}
	for now := 0; len(s.back) < l.Devices; now++ {
		s.arrive(now)
		s.serve(now)
	}
	return s.result()
}

type simulation struct {
	Loss
	random  *rand.Rand
	due     map[int][]device // tries, by the step at which they begin
	queue   []waiting
	spare   float64 // devices that could have been taken in
	tries   map[int]int
	back    []int // steps
	longest int
}

type device struct{ failed int }

type waiting struct {
	device
	since int
}

func steps(d time.Duration) int { return int(d / step) }

func (s *simulation) retry(now int, d device) {
	at := now + 1 + steps(pause(d.failed, s.random))
	s.due[at] = append(s.due[at], device{d.failed + 1})
}

func (s *simulation) arrive(now int) {
	away := steps(s.Away)
	for _, d := range s.due[now] {
		if now < away {
			s.retry(now+steps(s.Refused), d)
			continue
		}
		s.tries[(now-away)/steps(time.Second)]++
		s.queue = append(s.queue, waiting{d, now})
	}
	delete(s.due, now)
}

func (s *simulation) serve(now int) {
	for len(s.queue) > 0 && now-s.queue[0].since > steps(s.InitTimeout) {
		s.retry(now, s.queue[0].device)
		s.queue = s.queue[1:]
	}
	s.spare = min(s.spare, 1) + s.ConnectsPerSecond*step.Seconds()
	for len(s.queue) > 0 && s.spare >= 1 {
		first := s.queue[0]
		s.queue = s.queue[1:]
		s.spare--
		s.longest = max(s.longest, now-first.since)
		s.back = append(s.back, now-steps(s.Away))
	}
}

func (s *simulation) result() Return {
	at := func(part float64) time.Duration {
		return time.Duration(s.back[int(part*float64(len(s.back)-1))]) * step
	}
	slices.Sort(s.back)
	r := Return{Half: at(.5), P99: at(.99), All: at(1), LongestWaitInQueue: time.Duration(s.longest) * step}
	total := 0
	for _, n := range s.tries {
		total += n
		r.MostTries = max(r.MostTries, n)
	}
	r.Tries = float64(total) / float64(s.Devices)
	return r
}
