package resolve

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"syncline/synckit"
	"syncline/synckit/version"
)

// TimestampKey is the metadata key under which Timestamp finds an event's time.
const TimestampKey = "timestamp"

// Timestamp tells when an event was written, by its writer's clock: the time of
// its version if that is a version.HLC, else the metadata's TimestampKey, which is
// text as in RFC 3339 or a number of milliseconds since 1970, up to the year 9999;
// else the time that its writer's log gave it (synckit.TimeKey). An event that has
// none of these has the zero time.
func Timestamp(e synckit.EventWithVersion) time.Time {
	if at := given(e); !at.IsZero() {
		return at
	}
	return synckit.TimeOf(e.Event)
}

// given is the time that the app gave an event; zero: none, or none that can be read,
// such as text without a zone.
func given(e synckit.EventWithVersion) time.Time {
	if hlc, ok := e.Version.(version.HLC); ok {
		return hlc.Time()
	}
	switch at := e.Event.Metadata()[TimestampKey].(type) {
	case time.Time:
		return at
	case string:
		t, _ := time.Parse(time.RFC3339Nano, at) // zero if it is none
		return t
	case json.Number:
		return fromMillis(at.String())
	case float64:
		return fromMillis(strconv.FormatFloat(at, 'f', -1, 64))
	case int64:
		return fromMillis(strconv.FormatInt(at, 10))
	case int:
		return fromMillis(strconv.Itoa(at))
	}
	return time.Time{}
}

// maxMillis is the end of the year 9999. What machines make of a number that does
// not fit an integer differs.
const maxMillis = 253_402_300_800_000

func fromMillis(text string) time.Time {
	millis, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(millis) >= maxMillis {
		return time.Time{}
	}
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(whole)
	}
	return time.UnixMicro(int64(millis * 1000))
}

// timing tells when events were written.
type timing func(synckit.EventWithVersion) time.Time

// among gives the order of events that knew nothing of one another: by time; where
// that leaves a tie, by the rest of a hybrid logical clock, by the clock that logs
// give events, and by ID. Only an event and itself are equal.
//
// Where the log of one of them gave it a time that cannot be, because its device's clock is off
// by years, times say nothing, and all are ordered without them.
func (at timing) among(events []synckit.EventWithVersion) func(a, b synckit.EventWithVersion) int {
	switch {
	case at == nil && slices.ContainsFunc(events, isWrong):
		at = func(synckit.EventWithVersion) time.Time { return time.Time{} }
	case at == nil:
		at = Timestamp
	}
	return at.compare
}

// isWrong tells whether a log gave an event a time that cannot be true.
func isWrong(e synckit.EventWithVersion) bool {
	at := synckit.TimeOf(e.Event)
	return !at.IsZero() && given(e).IsZero() && (at.Year() < 2000 || at.After(time.Now().Add(synckit.MaxAhead)))
}

func (at timing) compare(a, b synckit.EventWithVersion) int {
	first, second := hlcOf(a), hlcOf(b)
	return cmp.Or(
		at(a).Compare(at(b)),
		cmp.Compare(first.Counter, second.Counter),
		cmp.Compare(first.Node, second.Node),
		cmp.Compare(synckit.ClockOf(a.Event), synckit.ClockOf(b.Event)),
		cmp.Compare(a.Event.ID(), b.Event.ID()),
	)
}

func hlcOf(e synckit.EventWithVersion) version.HLC {
	hlc, _ := e.Version.(version.HLC)
	return hlc
}

// sided is an event and the side that it is on.
type sided struct {
	synckit.EventWithVersion
	remote bool
	place  int // on its side
}

func both(local, remote []synckit.EventWithVersion) []sided {
	var all []sided
	for i, e := range local {
		all = append(all, sided{e, false, i})
	}
	for i, e := range remote {
		all = append(all, sided{e, true, i})
	}
	return all
}

// before tells whether b's writer knew of a: their versions say so, or, if these
// do not know, they are of one side, where one follows the other.
func before(a, b sided) bool {
	first, ok := a.Version.(synckit.CausalVersion)
	_, bothKnow := b.Version.(synckit.CausalVersion)
	if ok && bothKnow {
		return first.Order(b.Version) == synckit.Before
	}
	return a.remote == b.remote && a.place < b.place
}
