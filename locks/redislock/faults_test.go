package redislock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/locks/redislock"
	"syncline/storage"
	"syncline/storage/locker"
)

var alice = locks.Owner{0: 2, 32: 1}

const long = locks.MaxTTL

func exclusive(name, instance string) locks.Request {
	return locks.Request{Name: name, InstanceID: instance, Exclusive: true, TTL: long}
}

func shared(name, instance string) locks.Request {
	return locks.Request{Name: name, InstanceID: instance, TTL: long}
}

// interposed are fences with something done before each call.
type interposed struct {
	redislock.Fences
	beforeToken, beforeFence func() error
}

func (f *interposed) TakeToken(ctx context.Context, owner locks.Owner) (locks.Token, error) {
	if f.beforeToken != nil {
		if err := f.beforeToken(); err != nil {
			return 0, err
		}
	}
	return f.Fences.TakeToken(ctx, owner)
}

func (f *interposed) RaiseFence(ctx context.Context, key locks.Key, token locks.Token) (locks.Token, error) {
	if f.beforeFence != nil {
		if err := f.beforeFence(); err != nil {
			return 0, err
		}
	}
	return f.Fences.RaiseFence(ctx, key, token)
}

type fixture struct {
	*testing.T
	server *testservers.Redis
	db     *storage.DB
	inDB   *locker.Locker
	fences *interposed
	locker *redislock.Locker
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	server := testservers.StartRedis(t)
	db := testservers.SQLite(t)
	inDB := locker.New(db, db.NewEngine())
	fences := &interposed{Fences: inDB}
	return &fixture{T: t, server: server, db: db, inDB: inDB, fences: fences, locker: redislock.New(testservers.RedisClient(t, server.URL()), fences)}
}

// granted asks for a lock that must be granted.
func (f *fixture) granted(request locks.Request) locks.Grant {
	f.Helper()
	grant, err := f.locker.Acquire(f.Context(), alice, request)
	if err != nil {
		f.Fatalf("Acquire %+v: %v", request, err)
	}
	if !grant.Acquired {
		f.Fatalf("Acquire %+v: held: %+v", request, grant.Lock)
	}
	return grant
}

func (f *fixture) read(name string) locks.Lock {
	f.Helper()
	found, err := f.locker.Read(f.Context(), []locks.Key{{Owner: alice, Name: name}})
	if err != nil {
		f.Fatal(err)
	}
	return found[0]
}

// expectUnavailable checks an error, and what it says of the outcome.
func (f *fixture) expectUnavailable(what string, err error, unknown bool) {
	f.Helper()
	unavailable, ok := errors.AsType[*locks.UnavailableError](err)
	if !ok {
		f.Fatalf("%s: %v, want an *UnavailableError", what, err)
	}
	if unavailable.OutcomeUnknown != unknown {
		f.Errorf("%s: the outcome is unknown: %v, want %v (%v)", what, unavailable.OutcomeUnknown, unknown, err)
	}
}

func TestRedisForgets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.granted(exclusive("a", "one"))
	f.server.Kill()
	f.server.Start()
	second := f.granted(exclusive("a", "two"))
	if second.Token <= first.Token {
		t.Errorf("after Redis forgot, token %d follows %d", second.Token, first.Token)
	}
	fence, err := f.inDB.RaiseFence(t.Context(), locks.Key{Owner: alice, Name: "a"}, 0)
	if err != nil || fence != second.Token {
		t.Errorf("the fence stands at %d, %v, want %d: the first holder's writes must be refused", fence, err, second.Token)
	}
	grant, err := f.locker.Acquire(t.Context(), alice, exclusive("a", "one"))
	if err != nil || grant.Acquired {
		t.Errorf("the first holder renews: %+v, %v, want that the second holds the lock", grant, err)
	}
}

// soon bounds what must not wait for a Redis that does not answer. The times that
// are allowed for add up to less, with room for a machine that is busy.
const soon = 20 * time.Second

func TestRedisHangs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.granted(exclusive("a", "one"))
	f.server.Pause()
	defer f.server.Resume()
	key := locks.Key{Owner: alice, Name: "a"}
	calls := map[string]struct {
		call    func() error
		unknown bool
	}{
		"Acquire": {func() error { _, err := f.locker.Acquire(t.Context(), alice, exclusive("a", "one")); return err }, true},
		"Release": {func() error { _, err := f.locker.Release(t.Context(), key, "one"); return err }, true},
		"Read":    {func() error { _, err := f.locker.Read(t.Context(), []locks.Key{key}); return err }, false},
	}
	for name, c := range calls {
		began := time.Now()
		err := c.call()
		if took := time.Since(began); took > soon {
			t.Errorf("%s took %v", name, took)
		}
		f.expectUnavailable(name, err, c.unknown)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := f.locker.Read(ctx, []locks.Key{key}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read with an ended context: %v, want the context's error", err)
	}
}

func TestRedisIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.server.Kill()
	_, err := f.locker.Acquire(t.Context(), alice, exclusive("a", "one"))
	f.expectUnavailable("Acquire", err, false)
	_, err = f.locker.Release(t.Context(), locks.Key{Owner: alice, Name: "a"}, "one")
	f.expectUnavailable("Release", err, false)
	f.server.Start()
	f.granted(exclusive("a", "one"))
}

var errDatabase = errors.New("the database is away")

func fails() error { return errDatabase }

func TestNoGrantWithoutToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fences.beforeToken = fails
	_, err := f.locker.Acquire(t.Context(), alice, exclusive("a", "one"))
	f.expectUnavailable("Acquire", err, false)
	if lock := f.read("a"); lock.Locked() {
		t.Errorf("a lock without a token: %+v", lock)
	}
}

func TestNoGrantWithoutFence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fences.beforeFence = fails
	_, err := f.locker.Acquire(t.Context(), alice, exclusive("a", "one"))
	f.expectUnavailable("Acquire", err, false)
	if lock := f.read("a"); lock.Locked() {
		t.Errorf("a lock without a fence: %+v", lock)
	}

	f.fences.beforeFence = nil
	first := f.granted(shared("b", "one"))
	f.fences.beforeFence = fails
	_, err = f.locker.Acquire(t.Context(), alice, shared("b", "two"))
	f.expectUnavailable("joining", err, false)
	if lock := f.read("b"); len(lock.Holders) != 1 || lock.Holders[0].Token != first.Token {
		t.Errorf("after a refused join: %+v, want the first holder only", lock)
	}
}

func TestRenewalWithoutDatabaseKeepsTheHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.granted(exclusive("a", "one"))
	f.fences.beforeFence = fails
	_, err := f.locker.Acquire(t.Context(), alice, exclusive("a", "one"))
	f.expectUnavailable("renewal", err, true)
	if lock := f.read("a"); !lock.Exclusive || lock.Holders[0].Token != first.Token {
		t.Errorf("after a renewal that failed: %+v, want the hold as it was", lock)
	}
}

// A crash between the grant and its fence leaves a hold whose renewal has to
// raise the fence.
func TestRenewalRaisesTheFence(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	crashed := redislock.New(testservers.RedisClient(t, f.server.URL()), &unfenced{f.inDB})
	if _, err := crashed.Acquire(t.Context(), alice, exclusive("a", "one")); err != nil {
		t.Fatal(err)
	}
	grant := f.granted(exclusive("a", "one"))
	fence, err := f.inDB.RaiseFence(t.Context(), locks.Key{Owner: alice, Name: "a"}, 0)
	if err != nil || !grant.Renewed || fence != grant.Token {
		t.Errorf("renewed %+v, the fence stands at %d, %v", grant, fence, err)
	}
}

// unfenced fences raise nothing.
type unfenced struct{ redislock.Fences }

func (u *unfenced) RaiseFence(_ context.Context, _ locks.Key, token locks.Token) (locks.Token, error) {
	return token, nil
}

// The fence may have been raised by a grant that this Redis knows nothing of:
// before a failover, or while the database kept the locks.
func TestHoldBelowTheFenceIsGrantedAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, request := range []locks.Request{exclusive("a", "one"), shared("b", "one")} {
		f.granted(request)
		elsewhere, err := f.inDB.Acquire(t.Context(), alice, exclusive(request.Name, "two"))
		if err != nil {
			t.Fatal(err)
		}
		again := f.granted(request)
		if again.Renewed || again.Token <= elsewhere.Token {
			t.Errorf("renewed: %v, token %d, want a new grant above %d", again.Renewed, again.Token, elsewhere.Token)
		}
	}
}

func TestTokenThatIsLateIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := redislock.New(testservers.RedisClient(t, f.server.URL()), &unfenced{f.inDB}) // or the fence would give the late token away
	key := locks.Key{Owner: alice, Name: "a"}
	var newest locks.Token
	late := &late{Fences: f.inDB, after: func() {
		grant, err := other.Acquire(t.Context(), alice, exclusive("a", "two"))
		if err != nil {
			t.Fatal(err)
		}
		newest = grant.Token
		if _, err := other.Release(t.Context(), key, "two"); err != nil {
			t.Fatal(err)
		}
	}}
	f.locker = redislock.New(testservers.RedisClient(t, f.server.URL()), late)
	if grant := f.granted(exclusive("a", "one")); grant.Token <= newest {
		t.Errorf("token %d was granted after %d", grant.Token, newest)
	}
}

// late lets something happen once between a token's taking and its use.
type late struct {
	redislock.Fences
	after func()
}

func (l *late) TakeToken(ctx context.Context, owner locks.Owner) (locks.Token, error) {
	token, err := l.Fences.TakeToken(ctx, owner)
	if after := l.after; after != nil {
		l.after = nil
		after()
	}
	return token, err
}

func TestGrantIsFinishedWhenNobodyListens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.fences.beforeToken = func() error { cancel(); return nil }
	grant, err := f.locker.Acquire(ctx, alice, exclusive("a", "one"))
	if err != nil || !grant.Acquired {
		t.Fatalf("%+v, %v, want a grant", grant, err)
	}
	if fence, err := f.inDB.RaiseFence(t.Context(), locks.Key{Owner: alice, Name: "a"}, 0); err != nil || fence != grant.Token {
		t.Errorf("the fence stands at %d, %v, want %d", fence, err, grant.Token)
	}
}

func TestNothingStaysForEver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.granted(exclusive("a", "one"))
	f.granted(shared("b", "one"))
	f.granted(shared("b", "two"))
	client := testservers.RedisClient(t, f.server.URL())
	names, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(names) != 4 {
		t.Fatalf("keys: %q, %v, want two holds and two tokens", names, err)
	}
	for _, name := range names {
		if ttl, err := client.PTTL(t.Context(), name).Result(); err != nil || ttl <= 0 {
			t.Errorf("%q: time to live %v, %v", name, ttl, err)
		}
	}
}

func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.granted(exclusive("a", "one"))
	if err := testservers.RedisClient(t, f.server.URL()).ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if lock := f.read("a"); !lock.Locked() {
		t.Errorf("read %+v, want it held", lock)
	}
	f.granted(exclusive("a", "one"))
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	servers := testservers.StartRedisSentinel(t)
	db := testservers.SQLite(t)
	locker := redislock.New(testservers.RedisClient(t, servers.URL()), locker.New(db, db.NewEngine()))
	first, err := locker.Acquire(t.Context(), alice, exclusive("a", "one"))
	if err != nil {
		t.Fatal(err)
	}
	servers.Primary.Kill()
	deadline := time.Now().Add(time.Minute)
	for {
		began := time.Now()
		grant, err := locker.Acquire(t.Context(), alice, exclusive("b", "two"))
		if took := time.Since(began); took > soon {
			t.Fatalf("Acquire took %v during the failover", took)
		}
		if err == nil {
			if grant.Token <= first.Token {
				t.Errorf("token %d after %d", grant.Token, first.Token)
			}
			return
		}
		if _, ok := errors.AsType[*locks.UnavailableError](err); !ok || time.Now().After(deadline) {
			t.Fatalf("during the failover: %v", err)
		}
	}
}

func TestClusterNodeDies(t *testing.T) {
	t.Parallel()
	cluster := testservers.StartRedisCluster(t)
	db := testservers.SQLite(t)
	locker := redislock.New(testservers.RedisClient(t, cluster.URL()), locker.New(db, db.NewEngine()))
	owners := make([]locks.Owner, 12) // on all of the nodes
	for i := range owners {
		owners[i] = locks.Owner{0: 2, 32: byte(i)}
		if _, err := locker.Acquire(t.Context(), owners[i], exclusive("a", "one")); err != nil {
			t.Fatal(err)
		}
	}
	cluster.Nodes[1].Kill()
	failed := 0
	for _, owner := range owners {
		began := time.Now()
		_, err := locker.Acquire(t.Context(), owner, exclusive("a", "one"))
		if took := time.Since(began); took > soon {
			t.Errorf("Acquire took %v with a node down", took)
		}
		if err == nil {
			continue
		}
		failed++
		if _, ok := errors.AsType[*locks.UnavailableError](err); !ok {
			t.Errorf("with a node down: %v, want an *UnavailableError", err)
		}
	}
	if failed == 0 {
		t.Error("no lock was on the node that died")
	}
}
