package graph_test

import (
	"strings"
	"testing"
)

func TestSetCreatesReplacesAndConflicts(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")

	created := c.ok(t, setRecord, vars{"input": vars{
		"id": "note", "data": b64("one"), "schemaVersion": "v1", "clientId": "laptop",
	}}).at("setRecord")
	created.is("SUCCESS", "status")
	created.is("1", "newRevision")
	created.is("false", "replayed")
	created.is("note", "record", "id")
	created.is(b64("one"), "record", "data")
	created.is("1", "record", "revision")
	created.is("v1", "record", "schemaVersion")
	created.is("false", "record", "deleted")
	created.is("laptop", "record", "clientId")

	replaced := c.set(t, "note", "two", 1)
	replaced.is("2", "newRevision")
	replaced.is("", "record", "schemaVersion")
	replaced.is("null", "record", "clientId")

	stale := c.set(t, "note", "three", 1)
	stale.is("CONFLICT", "status")
	stale.is("null", "newRevision")
	stale.is(b64("two"), "record", "data")
	stale.is("2", "record", "revision")

	exists := c.set(t, "note", "again", 0)
	exists.is("CONFLICT", "status")

	absent := c.set(t, "other", "x", 7)
	absent.is("CONFLICT", "status")
	absent.is("null", "record")
	c.viewer(t).is("2", "head")
}

func TestDeleteLeavesATombstone(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.ok(t, setRecord, vars{"input": vars{"id": "note", "data": b64("one"), "schemaVersion": "v1"}})

	c.delete(t, "nothing", 3).is("CONFLICT", "status")
	c.delete(t, "note", 0).is("CONFLICT", "status")

	deleted := c.delete(t, "note", 1)
	deleted.is("SUCCESS", "status")
	deleted.is("2", "newRevision")
	deleted.is("true", "record", "deleted")
	deleted.is("null", "record", "data")
	deleted.is("v1", "record", "schemaVersion")

	again := c.delete(t, "note", 2)
	again.is("SUCCESS", "status")
	again.is("2", "newRevision")
	c.viewer(t).is("2", "head")

	clash := c.set(t, "note", "x", 1)
	clash.is("CONFLICT", "status")
	clash.is("true", "record", "deleted")
	c.set(t, "note", "back", 2).is("3", "newRevision")
	c.delete(t, "note", 3).is("4", "newRevision")
	c.set(t, "note", "back", 0).is("5", "newRevision")
}

func TestEmptyDataIsNotATombstone(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "empty", "", 0).is("", "record", "data")
	c.ok(t, `{record(id: "empty") {data}}`, nil).is("", "record", "data")
	v := c.viewer(t)
	v.is("1", "recordCount")
	v.is("0", "storedBytes")
}

func TestMutationIDMakesARetrySafe(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	first := vars{"input": vars{"id": "a", "data": b64("1"), "mutationId": "m1"}}
	c.ok(t, setRecord, first).is("false", "setRecord", "replayed")
	c.set(t, "a", "2", 1)

	retry := c.ok(t, setRecord, first).at("setRecord")
	retry.is("SUCCESS", "status")
	retry.is("true", "replayed")
	retry.is("1", "newRevision")
	retry.is(b64("2"), "record", "data") // the present state
	c.viewer(t).is("2", "head")

	other := vars{"input": vars{"id": "a", "data": b64("x"), "mutationId": "m1"}}
	c.refused(t, setRecord, other, refusal{200, "MUTATION_ID_REUSED", ""})
	asDelete := vars{"input": vars{"id": "a", "revision": 0, "mutationId": "m1"}}
	c.refused(t, deleteRecord, asDelete, refusal{200, "MUTATION_ID_REUSED", ""})
	asBatch := vars{"input": vars{"writes": []vars{{"set": vars{"id": "a", "data": b64("1")}}}, "mutationId": "m1"}}
	c.refused(t, writeRecords, asBatch, refusal{200, "MUTATION_ID_REUSED", ""})

	clash := vars{"input": vars{"id": "a", "data": b64("3"), "revision": 9, "mutationId": "m2"}}
	c.ok(t, setRecord, clash).is("CONFLICT", "setRecord", "status")
	c.ok(t, setRecord, clash).is("false", "setRecord", "replayed")
	c.viewer(t).is("2", "head")
}

func TestBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	c.set(t, "old", "1", 0)

	batch := vars{"input": vars{"clientId": "phone", "mutationId": "b1", "writes": []vars{
		{"set": vars{"id": "x", "data": b64("x")}},
		{"delete": vars{"id": "old", "revision": 1}},
		{"set": vars{"id": "y", "data": b64("y"), "schemaVersion": "2"}},
	}}}
	done := c.ok(t, writeRecords, batch).at("writeRecords")
	done.is("SUCCESS", "status")
	done.is("false", "replayed")
	done.is("2", "results", 0, "newRevision")
	done.is("3", "results", 1, "newRevision")
	done.is("4", "results", 2, "newRevision")
	done.is("true", "results", 1, "record", "deleted")
	done.is("phone", "results", 2, "record", "clientId")

	retry := c.ok(t, writeRecords, batch).at("writeRecords")
	retry.is("true", "replayed")
	retry.is("true", "results", 0, "replayed")
	retry.is("4", "results", 2, "newRevision")

	clash := c.ok(t, writeRecords, vars{"input": vars{"writes": []vars{
		{"set": vars{"id": "z", "data": ""}},
		{"set": vars{"id": "x", "data": "", "revision": 1}},
		{"delete": vars{"id": "nothing", "revision": 1}},
	}}}).at("writeRecords")
	clash.is("CONFLICT", "status")
	clash.is("SKIPPED", "results", 0, "status")
	clash.is("null", "results", 0, "record")
	clash.is("null", "results", 0, "newRevision")
	clash.is("CONFLICT", "results", 1, "status")
	clash.is("x", "results", 1, "record", "id")
	clash.is("CONFLICT", "results", 2, "status")
	clash.is("null", "results", 2, "record")
	c.viewer(t).is("4", "head")
}

func TestFence(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	c := a.as("alice")
	write := func(lock string, token int) vars {
		return vars{"input": vars{"id": "doc", "data": "", "revision": 999, "fence": vars{"lock": lock, "token": token}}}
	}
	c.refused(t, setRecord, write("never", 1), refusal{200, "BAD_USER_INPUT", "input.fence.lock"})

	c.lock(t, vars{"name": "doc", "instanceId": "tab1", "ttlSeconds": 1}).is("1", "token")
	c.ok(t, setRecord, write("doc", 1)).is("CONFLICT", "setRecord", "status") // the fence lets it pass to the revision
	c.refused(t, setRecord, write("doc", 2), refusal{200, "BAD_USER_INPUT", "input.fence.token"})

	c.lock(t, vars{"name": "doc", "instanceId": "tab1", "acquire": false})
	c.ok(t, setRecord, write("doc", 1)).is("CONFLICT", "setRecord", "status") // held or not does not matter

	c.lock(t, vars{"name": "doc", "instanceId": "tab2"}).is("2", "token")
	c.refused(t, setRecord, write("doc", 1), refusal{200, "FENCED", ""})
	c.refused(t, writeRecords, vars{"input": vars{
		"writes": []vars{{"set": vars{"id": "doc", "data": ""}}}, "fence": vars{"lock": "doc", "token": 1},
	}}, refusal{200, "FENCED", ""})
	c.refused(t, deleteRecord, vars{"input": vars{
		"id": "doc", "revision": 1, "fence": vars{"lock": "doc", "token": 1},
	}}, refusal{200, "FENCED", ""})
	c.viewer(t).is("0", "head")
}

func TestOwnersDoNotMeet(t *testing.T) {
	t.Parallel()
	a := newAPI(t, options{})
	alice, bob := a.as("alice"), a.as("bob")
	alice.ok(t, setRecord, vars{"input": vars{"id": "note", "data": b64("hers"), "mutationId": "m"}})
	alice.lock(t, vars{"name": "doc", "instanceId": "tab"})

	bob.ok(t, `{record(id: "note") {id}}`, nil).is("null", "record")
	bob.ok(t, `{lock(name: "doc") {locked}}`, nil).is("false", "lock", "locked")
	bob.ok(t, setRecord, vars{"input": vars{"id": "note", "data": b64("his"), "mutationId": "m"}}).
		is("1", "setRecord", "newRevision")
	bob.viewer(t).is("1", "head")
	alice.ok(t, `{record(id: "note") {data}}`, nil).is(b64("hers"), "record", "data")
	if alice.viewer(t).at("id").text() == bob.viewer(t).at("id").text() {
		t.Error("two owners with one id")
	}
}

func TestUpdatedAtIsUTCWithMicroseconds(t *testing.T) {
	t.Parallel()
	c := newAPI(t, options{}).as("alice")
	at := c.set(t, "a", "", 0).at("record", "updatedAt").text()
	if len(at) != len("2026-01-31T12:00:00.000000Z") || !strings.HasSuffix(at, "Z") {
		t.Errorf("updatedAt is %s", at)
	}
}
