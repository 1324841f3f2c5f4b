package graph_test

import (
	"testing"

	"syncline/internal/redisclient"
	"syncline/internal/testservers"
	"syncline/locks/redislock"
	"syncline/storage/locker"
	"syncline/storage/records"
)

const eraseAccount = "mutation($input: EraseAccountInput!) {eraseAccount(input: $input) {erasedRecords cursor}}"

func TestEraseAccount(t *testing.T) {
	t.Parallel()
	t.Run("locks in the database", func(t *testing.T) { testEraseAccount(t, newAPI(t, options{})) })
	t.Run("locks in Redis", func(t *testing.T) {
		client, err := redisclient.Open(testservers.StartRedis(t).URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		db := testservers.SQLite(t)
		engine := db.NewEngine()
		testEraseAccount(t, newAPI(t, options{store: records.New(db, engine), locker: redislock.New(client, locker.New(db, engine))}))
	})
}

func testEraseAccount(t *testing.T, a *api) {
	c, other := a.as("alice"), a.as("bob")
	other.set(t, "a", "bob's", 0)
	c.set(t, "a", "x", 0)
	c.set(t, "b", "y", 0)
	c.delete(t, "b", 2)
	token := c.lock(t, vars{"name": "doc", "instanceId": "tab"}).at("token").text()
	before := c.viewer(t).at("cursor").text()
	feed := c.subscribe(t, recordChanged, nil, nil)
	feed.data("recordChanged").is("CAUGHT_UP", "kind")
	lock := c.subscribe(t, `subscription {lockChanged(name: "doc") `+lockFields+`}`, nil, nil)
	lock.data("lockChanged").is("true", "locked")

	c.refused(t, eraseAccount, vars{"input": vars{"owner": keyOf("bob")}}, bad("input.owner"))
	input := vars{"input": vars{"owner": keyOf("alice"), "mutationId": "m"}}
	erased := c.ok(t, eraseAccount, input).at("eraseAccount")
	erased.is("1", "erasedRecords")
	feed.fails("CURSOR_TOO_OLD", "").is("true", "erased")
	lock.data("lockChanged").is("false", "locked")

	v := c.viewer(t)
	v.is("0", "recordCount")
	v.is("0", "storedBytes")
	v.is("4", "head")
	v.is(erased.at("cursor").text(), "cursor")
	tooOld := c.refused(t, changes, vars{"since": before}, refusal{200, "CURSOR_TOO_OLD", ""})
	tree{t, tooOld.Errors[0].Extensions}.is("true", "erased")
	if n := c.ok(t, changes, nil).at("changes", "records").len(); n != 0 {
		t.Errorf("%d records are found", n)
	}
	c.ok(t, `{record(id: "a") {id}}`, nil).is("null", "record")
	c.refused(t, setRecord, vars{"input": vars{"id": "a", "data": "", "fence": vars{"lock": "doc", "token": 1}}}, refusal{200, "FENCED", ""})
	if again := c.lock(t, vars{"name": "doc", "instanceId": "tab"}); again.at("token").text() <= token || again.at("renewed").text() != "false" {
		t.Errorf("the lock is granted with %s after %s", again.text(), token)
	}

	c.set(t, "a", "new", 0).is("5", "newRevision")
	again := c.ok(t, eraseAccount, input).at("eraseAccount") // a retry
	again.is("1", "erasedRecords")
	again.is(erased.at("cursor").text(), "cursor")
	c.ok(t, `{lock(name: "doc") {locked}}`, nil).is("true", "lock", "locked") // taken since
	if n := c.ok(t, changes, vars{"since": erased.at("cursor").text()}).at("changes", "records").len(); n != 1 {
		t.Errorf("%d records are found after a retry, want the one that was written since", n)
	}
	c.refused(t, setRecord, vars{"input": vars{"id": "b", "data": "", "mutationId": "m"}}, refusal{200, "MUTATION_ID_REUSED", ""})
	other.ok(t, `{record(id: "a") {revision}}`, nil).is("1", "record", "revision")
}
