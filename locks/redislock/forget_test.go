package redislock_test

import (
	"testing"

	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/locks/redislock"
	"syncline/storage/records"
)

// What an erased account held ends, whoever was granted a lock since keeps it.
func TestForgetting(t *testing.T) {
	url, prefix := testservers.RedisURL(t)
	locker := redislock.New(testservers.RedisClient(t, url), fencesOf(testservers.SQLite(t)), redislock.WithPrefix(prefix))
	owner := locks.Owner{0: 2, 32: 7}
	var keys []locks.Key
	var newest locks.Token
	for _, request := range []locks.Request{
		{Name: "exclusive", InstanceID: "a", Exclusive: true, TTL: locks.MaxTTL},
		{Name: "shared", InstanceID: "a", TTL: locks.MaxTTL},
		{Name: "shared", InstanceID: "b", TTL: locks.MaxTTL},
		{Name: "later", InstanceID: "a", Exclusive: true, TTL: locks.MaxTTL},
	} {
		grant, err := locker.Acquire(t.Context(), owner, request)
		if err != nil || !grant.Acquired {
			t.Fatalf("%+v, %v", grant, err)
		}
		if request.Name != "later" {
			newest = grant.Token
		}
	}
	for _, name := range []string{"exclusive", "shared", "later", "never held"} {
		keys = append(keys, locks.Key{Owner: owner, Name: name})
	}
	if err := locker.Forget(t.Context(), keys, newest); err != nil {
		t.Fatal(err)
	}
	found, err := locker.Read(t.Context(), keys)
	if err != nil || found[0].Locked() || found[1].Locked() || !found[2].Locked() || found[3].Locked() {
		t.Errorf("%+v, %v; want the one held that was granted later", found, err)
	}
}

// Redis may not have been told of an erasure. A renewal does not make a hold from
// before it good again.
func TestErasedAndNotForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, request := range []locks.Request{exclusive("a", "one"), shared("b", "one")} {
		f.granted(request)
	}
	store := records.New(f.db, f.db.NewEngine())
	if _, names, err := store.Erase(t.Context(), alice, nil); err != nil || len(names) != 2 {
		t.Fatalf("%q, %v", names, err)
	}
	account := f.db.Read.Account.GetX(t.Context(), alice[:])
	for _, request := range []locks.Request{exclusive("a", "one"), shared("b", "one")} {
		again := f.granted(request)
		if again.Renewed || int64(again.Token) <= account.FenceToken {
			t.Errorf("renewed: %v, token %d, want one above %d", again.Renewed, again.Token, account.FenceToken)
		}
	}
}
