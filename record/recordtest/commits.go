package recordtest

import (
	"reflect"
	"testing"

	"syncline/record"
)

// testCommits compares what the service tells of its commits with what the feed
// shows afterwards.
func testCommits(t *testing.T, w *world) {
	var told []record.Commit
	w.service.OnCommit(func(c record.Commit) { told = append(told, c) })
	u := w.user(t, 1)
	u.put(set("a", "one", 0))
	u.put(batch(setWrite("b", "two", 0), setWrite("c", "three", 0)))
	u.put(del("a", 1))
	u.put(del("a", 4)) // changes nothing
	u.write(set("b", "x", 9))

	account := u.account()
	var records []record.Record
	for _, c := range told {
		if c.Owner != u.owner || c.Epoch != account.Epoch {
			t.Errorf("told of %v in epoch %v, want %v in %v", c.Owner, c.Epoch, u.owner, account.Epoch)
		}
		records = append(records, c.Records...)
	}
	page, err := u.service.Changes(t.Context(), u.owner, record.CursorAt(account.Epoch, 1), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 3 || len(records) != 4 || !reflect.DeepEqual(records[1:], page.Records) {
		t.Errorf("told of %+v in %d commits, the feed has %+v", records, len(told), page.Records)
	}
}
