package records_test

import (
	"sync/atomic"
	"testing"
	"time"

	"syncline/ent/account"
	"syncline/ent/lock"
	entrecord "syncline/ent/record"
	"syncline/internal/testservers"
	"syncline/record"
	"syncline/record/recordtest"
	"syncline/storage"
)

func TestStoreOnSQLite(t *testing.T) {
	t.Parallel()
	recordtest.Run(t, func(t *testing.T) recordtest.Harness { return harness(testservers.SQLite(t)) })
}

func TestStoreOnPostgres(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	recordtest.Run(t, func(t *testing.T) recordtest.Harness { return harness(server.Open(t)) })
}

func TestStoreBehindPgBouncer(t *testing.T) {
	t.Parallel()
	pooler := testservers.StartPgBouncer(t, testservers.StartPostgres(t), 5) // fewer than some tests have writers
	recordtest.Run(t, func(t *testing.T) recordtest.Harness { return harness(pooler.Open(t)) })
}

func harness(db *storage.DB) recordtest.Harness {
	var now atomic.Pointer[time.Time]
	clock := func() time.Time { return *now.Load() }
	return recordtest.Harness{
		Store:   newStore(db, clock),
		SetTime: func(t time.Time) { now.Store(&t) },
		Restore: func(t *testing.T, now time.Time) record.Revision {
			base, err := db.NewEpoch(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			return record.Revision(base)
		},
		Purge: func(t *testing.T, owner record.Owner, floor record.Revision) { purge(t, db, owner, floor) },
		Grant: func(t *testing.T, owner record.Owner, name string, token record.FenceToken) {
			err := db.Write.Lock.Create().SetOwner(owner[:]).SetID(name).SetFence(int64(token)).
				OnConflictColumns(lock.FieldOwner, lock.FieldID).UpdateNewValues().Exec(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}

func purge(t *testing.T, db *storage.DB, owner record.Owner, floor record.Revision) {
	t.Helper()
	erased := 0 // who never wrote has no account
	for _, revision := range db.Read.Account.Query().Where(account.ID(owner[:])).Select(account.FieldErased).IntsX(t.Context()) {
		erased = revision
	}
	purged, err := db.Write.Record.Delete().
		Where(entrecord.Owner(owner[:]), entrecord.Deleted(true), entrecord.RevisionGT(int64(erased)), entrecord.RevisionLTE(int64(floor))).
		Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write.Account.Update().Where(account.ID(owner[:])).SetFloor(int64(floor)).AddTombstones(int64(-purged)).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}
