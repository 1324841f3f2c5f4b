package redislock_test

import (
	"testing"

	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/locks/redislock"
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
