package synckit_test

import (
	"encoding/json"
	"testing"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/memtransport"
)

// A clock that not all nodes can read would have an event stand in another place on each: a log that
// passes it on gives it one of its own. So nobody takes it, and nobody passes it on.
func TestClocksThatNotAllCanReadAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []map[string]any{
		{synckit.ClockKey: json.Number("9007199254740992")},
		{synckit.ClockKey: json.Number("1e400"), "author": "somebody"},
		{synckit.ClockKey: json.Number("-1")},
		{synckit.ClockKey: "7"},
		{synckit.ClockKey: json.Number("7"), synckit.TimeKey: json.Number("9007199254740992")},
	} {
		faulty, elsewhere := newHub(t), newHub(t)
		e := synckit.NewEvent("e", "Changed", "x", 1, bad)
		_, err := faulty.Commit(t.Context(), synckit.Commit{Append: []synckit.Entry{
			{EventWithVersion: synckit.EventWithVersion{Event: e}, Origin: "an earlier release took it"},
			{EventWithVersion: synckit.EventWithVersion{Event: newEvent("sound", "x")}},
		}})
		check(t, "put", err, nil)
		b := newNode(t, faulty, synckit.SyncOptions{})
		for i := range 2 {
			r, err := b.Sync(t.Context())
			check(t, "error", err, nil)
			check(t, "errors", len(r.Errors), 1-i)
			for _, err := range r.Errors {
				checkCode(t, err, errors.InvalidEvent)
			}
		}
		check(t, "b", b.log(), "sound")
		check(t, "waits", b.stats().Reviews, 1)

		m := synckit.NewSyncManager(faulty, memtransport.New("elsewhere", elsewhere), nil)
		t.Cleanup(func() { m.Close() })
		r, err := m.Sync(t.Context())
		check(t, "error", err, nil)
		check(t, "refused", len(r.Errors), 1)
		check(t, "elsewhere", logOf(t, elsewhere), "sound")
	}
}
