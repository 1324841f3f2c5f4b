package graph_test

import (
	"context"
	"encoding/hex"
	"sync/atomic"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/locker"
	"syncline/storage/records"
)

// Where new owners may not begin, one can read nothing and leave nothing, until the
// operator makes an account or the request may make one.
func TestNewOwnersAreRefused(t *testing.T) {
	t.Parallel()
	for _, db := range []*storage.DB{testservers.SQLite(t), testservers.StartPostgres(t).Open(t)} {
		t.Run(db.Dialect, func(t *testing.T) {
			var allowed atomic.Bool
			a := newAPI(t, options{
				store:    records.New(db, db.NewEngine()),
				locker:   locker.New(db, db.NewEngine()),
				mayBegin: func(context.Context) bool { return allowed.Load() },
			})
			const setLock = `mutation($acquire: Boolean!) {setLock(input: {name: "l", instanceId: "i", acquire: $acquire}) {status}}`
			unknown := refusal{200, "UNKNOWN_OWNER", ""}
			refused := func(name string) {
				t.Helper()
				c := a.as(name)
				c.refused(t, setRecord, vars{"input": vars{"id": "a", "data": b64("x")}}, unknown)
				c.refused(t, `mutation {deleteRecord(input: {id: "a", revision: 1}) {status}}`, nil, unknown)
				c.refused(t, `mutation {writeRecords(input: {writes: [{set: {id: "a", data: ""}}]}) {status}}`, nil, unknown)
				c.refused(t, setLock, vars{"acquire": true}, unknown)
				c.ok(t, setLock, vars{"acquire": false}).is("RELEASED", "setLock", "status")
				c.ok(t, "{viewer {head recordCount}}", nil).is("0", "viewer", "head")
				c.ok(t, `{changes {records {id}}}`, nil)
				c.ok(t, `mutation($owner: ID!) {eraseAccount(input: {owner: $owner}) {erasedRecords}}`, vars{"owner": keyOf(name)}).is("0", "eraseAccount", "erasedRecords")
			}
			alice, bob, carol := a.as("alice"), a.as("bob"), a.as("carol")
			refused("alice")
			if n := db.Read.Account.Query().CountX(t.Context()); n != 0 {
				t.Errorf("%d accounts were made", n)
			}
			owner, err := hex.DecodeString(keyOf("alice"))
			if err != nil {
				t.Fatal(err)
			}
			if err := db.CreateOwner(t.Context(), record.Owner(owner), time.Now()); err != nil {
				t.Fatal(err)
			}
			alice.ok(t, setLock, vars{"acquire": true}).is("ACQUIRED", "setLock", "status")
			alice.set(t, "a", "x", 0).is("SUCCESS", "status")
			refused("bob")
			allowed.Store(true)
			bob.set(t, "a", "x", 0).is("SUCCESS", "status")
			carol.ok(t, setLock, vars{"acquire": true}).is("ACQUIRED", "setLock", "status")
			allowed.Store(false)
			bob.delete(t, "a", 1).is("SUCCESS", "status")
			carol.set(t, "a", "x", 0).is("SUCCESS", "status") // a lock made an account, too
		})
	}
}
