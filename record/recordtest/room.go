package recordtest

import (
	"errors"
	"testing"
	"time"

	"syncline/record"
)

var roomCases = []testCase{
	{"without room nothing grows, all else goes on", testNoRoom},
}

// room is none while it has an error.
type room struct{ err error }

func (r *room) Left() error { return r.err }

func testNoRoom(t *testing.T, w *world) {
	r := &room{}
	w.service.LimitGrowth(r)
	u := w.user(t, 1)
	first := withMutation("m", set("a", "12345", 0))
	a := u.put(first)
	b := u.put(set("b", "12345", 0))
	gone := u.put(del("gone", u.put(set("gone", "", 0))))

	r.err = errors.New("the disk is nearly full")
	before := u.account()
	for name, request := range map[string]record.Request{
		"a new record":       set("c", "1", 0),
		"one without data":   set("c", "", 0),
		"a larger one":       set("b", "123456", b),
		"a batch that grows": batch(delWrite("b", b), setWrite("c", "1234567", 0)),
		"a batch that leaves as much in a new record":  batch(delWrite("b", b), setWrite("c", "12345", 0)),
		"a mutation id of a write that leaves as much": withMutation("same", set("b", "54321", b)),
	} {
		_, err := u.try(request)
		refused, ok := errors.AsType[*record.UnavailableError](err)
		if !ok || refused.OutcomeUnknown || refused.RetryAfter < 10*time.Second {
			t.Errorf("%s: %v, want an UnavailableError that says for long that nothing was changed", name, err)
		}
	}
	if after := u.account(); after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	if again := u.write(first); !again.Replayed {
		t.Error("the answer to a write that was applied is not repeated")
	}
	if conflict := u.write(set("a", "123456", 99)); conflict.Status != record.Conflict {
		t.Errorf("a write over another revision: %v, want a conflict", conflict.Status)
	}
	a = u.put(set("a", "54321", a))
	a = u.put(withMutation("smaller", set("a", "1", a)))
	u.put(batch(delWrite("b", b), setWrite("c", "1234", 0)))
	u.put(withMutation("delete", del("a", a)))
	for range 2 {
		again := u.write(withMutation("deleted before", del("gone", gone)))
		if again.Status != record.Success || again.Replayed || again.Results[0].NewRevision != gone {
			t.Errorf("a delete of what is deleted: %+v, want success and nothing remembered", again)
		}
	}

	r.err = nil
	u.put(set("d", "123456", 0))
}
