package storage_test

import (
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/storage"
)

func TestEpochsOnSQLite(t *testing.T) {
	t.Parallel()
	testEpochs(t, testservers.SQLite(t))
}

func testEpochs(t *testing.T, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	owner := func(b byte) []byte { o := make([]byte, 33); o[32] = b; return o }
	db.Write.Account.Create().SetID(owner(1)).SetHead(7).SetFenceToken(3).ExecX(ctx)
	db.Write.Account.Create().SetID(owner(2)).ExecX(ctx) // never wrote

	now := time.Unix(1_800_000_000, 0)
	first := newEpoch(t, db, now)
	if want := now.Unix() << 21; first != want {
		t.Errorf("base %d, want the clock's %d", first, want)
	}
	heads := db.Read.RestoredHead.Query().AllX(ctx)
	if len(heads) != 1 || string(heads[0].Owner) != string(owner(1)) || heads[0].ID != 2 || heads[0].Head != 7 {
		t.Errorf("restored heads %v", heads)
	}

	again := newEpoch(t, db, now) // the same second
	if again <= first {
		t.Errorf("base %d does not rise above %d", again, first)
	}
	head := again + 5
	db.Write.Account.Update().SetHead(head).ExecX(ctx)
	behind := newEpoch(t, db, now.Add(-time.Hour))
	if behind <= head {
		t.Errorf("base %d is not above the head %d though the clock is behind", behind, head)
	}
	token := behind + 1<<30
	db.Write.Account.Update().SetFenceToken(token).ExecX(ctx)
	if base := newEpoch(t, db, now); base <= token {
		t.Errorf("base %d is not above the token %d", base, token)
	}

	epochs := db.Read.Epoch.Query().AllX(ctx)
	names := map[string]bool{}
	for _, e := range epochs {
		names[string(e.Epoch)] = true
	}
	if len(epochs) != 5 || len(names) != 5 {
		t.Errorf("%d epochs of %d names, want 5", len(epochs), len(names))
	}
	newEpoch(t, db, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	if _, err := db.NewEpoch(ctx, time.Unix(1<<40, 0)); err == nil {
		t.Error("a clock thousands of years ahead was believed")
	}
}

func newEpoch(t *testing.T, db *storage.DB, now time.Time) int64 {
	t.Helper()
	base, err := db.NewEpoch(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	return base
}
