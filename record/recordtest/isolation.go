package recordtest

import (
	"testing"

	"syncline/record"
)

var isolationCases = []testCase{
	{"an owner's data is nobody else's", testIsolation},
}

func testIsolation(t *testing.T, w *world) {
	one, two := w.user(t, 1), w.user(t, 2)
	three := user{world: w, t: t, owner: record.Owner{0: 3, 32: 1}} // one's key but for the parity of the point
	one.put(set("a", "one", 0))
	one.put(set("b", "one", 0))
	assertResult(t, two.write(set("a", "x", 1)), "conflict; conflict")
	assertResult(t, two.write(del("a", 1)), "conflict; conflict")
	two.put(set("a", "two", 0))
	three.put(set("a", "three", 0))
	three.put(del("a", 1))
	w.Purge(t, three.owner, 2)
	w.Grant(t, two.owner, "l", 1)

	for _, c := range []struct {
		who  user
		want string
		acct record.Account
	}{
		{one, "a@1=one b@2=one", record.Account{Head: 2, RecordCount: 2, StoredBytes: 6, Exists: true}},
		{two, "a@1=two", record.Account{Head: 1, RecordCount: 1, StoredBytes: 3, Exists: true}},
		{three, "", record.Account{Head: 2, Floor: 2, Exists: true}},
		{w.user(t, 9), "", record.Account{}},
	} {
		records, _ := c.who.walk("", 10)
		assertRecords(t, records, c.want)
		got := c.who.account()
		c.acct.Epoch = got.Epoch
		assertEqual(t, "account", got, c.acct)
	}
	if r := two.record("b"); r != nil {
		t.Errorf("two reads one's %s", show(*r))
	}
}
