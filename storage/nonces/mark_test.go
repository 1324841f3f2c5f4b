package nonces_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"syncline/auth"
	"syncline/auth/signing"
	"syncline/storage"
	"syncline/storage/nonces"
)

// place is a database and its mark, which outlast the processes that use them.
type place struct {
	t    *testing.T
	dir  string
	mark string
}

func newPlace(t *testing.T) place {
	dir := t.TempDir()
	return place{t, dir, storage.NoncesMark(dir)}
}

func (p place) open(now func() time.Time) (*nonces.Marked, *storage.DB) {
	p.t.Helper()
	db, err := storage.OpenSQLite(p.t.Context(), p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { db.Close() })
	if err := db.Migrate(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	marked, err := nonces.New(db, db.NewEngine(), now).Marked(p.mark)
	if err != nil {
		p.t.Fatal(err)
	}
	return marked, db
}

func (p place) isMarked() bool {
	_, err := os.Lstat(p.mark)
	return err == nil
}

// full has the database refuse all that needs a page more, and takes what room its
// pages have.
func full(t *testing.T, db *storage.DB) {
	t.Helper()
	if _, err := db.Write.ExecContext(t.Context(), "PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
}

func roomAgain(t *testing.T, db *storage.DB) {
	t.Helper()
	if _, err := db.Write.ExecContext(t.Context(), "PRAGMA query_only = 0"); err != nil {
		t.Fatal(err)
	}
}

// What the database could not keep serves, and does not serve again after a restart.
func TestANonceThatTheDatabaseCannotKeep(t *testing.T) {
	t.Parallel()
	p, now := newPlace(t), start
	clock := func() time.Time { return now }
	until := start.Add(auth.MaxAge)

	m, db := p.open(clock)
	assert(t, m.Remember(t.Context(), key, signing.Nonce{1}, until), nil)
	if !p.isMarked() {
		t.Error("a new database has no mark")
	}
	full(t, db)
	assert(t, m.Remember(t.Context(), key, signing.Nonce{2}, until), nil)
	if p.isMarked() {
		t.Error("a nonce was let in that the database lacks, and the mark is there")
	}
	roomAgain(t, db)
	db.Close()

	now = start.Add(time.Second)
	m, db = p.open(clock)
	for _, n := range []signing.Nonce{{1}, {2}} {
		err := m.Remember(t.Context(), key, n, until)
		if forgotten, ok := errors.AsType[*auth.ForgottenError](err); !ok || !forgotten.Before.Equal(now) {
			t.Errorf("nonce %d after the restart: %v", n[0], err)
		}
	}
	assert(t, m.Remember(t.Context(), key, signing.Nonce{3}, until.Add(time.Second)), nil)
	assert(t, m.Remember(t.Context(), key, signing.Nonce{3}, until.Add(time.Second)), auth.ErrNonceReused)
	if p.isMarked() {
		t.Error("the mark is back while what the database lacks may still serve")
	}
	db.Close()

	m, _ = p.open(clock)
	if err := m.Remember(t.Context(), key, signing.Nonce{2}, until); err == nil {
		t.Error("a nonce that the database lacks serves after two restarts")
	}
}

// The mark is not taken away where that fails: then the signature is refused.
func TestAMarkThatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	m, db := p.open(func() time.Time { return start })
	if err := os.Remove(p.mark); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(p.mark, "not empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	full(t, db)
	if err := m.Remember(t.Context(), key, signing.Nonce{1}, start.Add(auth.MaxAge)); err == nil {
		t.Error("let in without a nonce that is kept, and without a trace")
	}
}

func TestTheMarkComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mark := filepath.Join(t.TempDir(), "mark")
		m, err := nonces.New(new(storage.DB), nil, time.Now).Marked(mark)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		for _, step := range []struct {
			after time.Duration
			there bool
		}{{5*time.Minute + 50*time.Second, false}, {30 * time.Second, true}} {
			<-time.After(step.after)
			synctest.Wait()
			if _, err := os.Lstat(mark); (err == nil) != step.there {
				t.Errorf("the mark is there: %v, want %v", err == nil, step.there)
			}
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
