package linearizability

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"syncline/internal/redisclient"
	"syncline/internal/testservers"
	"syncline/locks"
	"syncline/locks/redislock"
	"syncline/record"
	"syncline/storage/locker"
	"syncline/storage/records"
)

// shortTTL makes histories short. The API would not grant it.
const shortTTL = 200 * time.Millisecond

// The checker finds fault with every lock that breaks the contract, and with
// none that keeps it, although answers are lost.
func TestBrokenLock(t *testing.T) {
	faults := map[string]func(locks.Locker) locks.Locker{
		"two are granted it":         func(l locks.Locker) locks.Locker { return grantedTwice{l} },
		"a token repeats":            func(l locks.Locker) locks.Locker { return &repeating{Locker: l} },
		"holds end early":            func(l locks.Locker) locks.Locker { return scaled{l, 0.4} },
		"holds end late":             func(l locks.Locker) locks.Locker { return scaled{l, 3} },
		"renewals are forgotten":     func(l locks.Locker) locks.Locker { return forgetfulLock{l} },
		"releases are forgotten":     func(l locks.Locker) locks.Locker { return unreleased{l} },
		"reads are stale":            func(l locks.Locker) locks.Locker { return &staleLooks{Locker: l} },
		"an upgrade keeps its token": func(l locks.Locker) locks.Locker { return upgrading{l} },
		"a late renewal takes it":    func(l locks.Locker) locks.Locker { return retaking{l} },
	}
	for name, breakIt := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertCaught(t, newLocal(t, func(db *locker.Locker) locks.Locker { return breakIt(db) }), false)
		})
	}
	t.Run("fenced writes get through", func(t *testing.T) {
		t.Parallel()
		system := newLocal(t, inDatabase)
		system.store = unfenced{system.store}
		assertCaught(t, system, false)
	})
	t.Run("the fence stays behind", func(t *testing.T) {
		t.Parallel()
		client := newRedis(t)
		assertCaught(t, newLocal(t, func(db *locker.Locker) locks.Locker { return redislock.New(client, unraised{db}) }), true)
	})
}

// Locks that keep the contract pass.
func TestSoundLock(t *testing.T) {
	t.Run("database", func(t *testing.T) {
		t.Parallel()
		assertSound(t, newLocal(t, inDatabase), false)
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		client := newRedis(t)
		assertSound(t, newLocal(t, func(db *locker.Locker) locks.Locker { return redislock.New(client, db) }), true)
	})
}

func inDatabase(db *locker.Locker) locks.Locker { return db }

func newRedis(t *testing.T) redis.UniversalClient {
	t.Helper()
	client, err := redisclient.Open(testservers.StartRedis(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func assertCaught(t *testing.T, system *localLock, fenceApart bool) {
	t.Helper()
	for n := range brokenTries {
		if system.history(t, n, fenceApart).isIllegal(t, lockModel(fenceApart)) {
			return
		}
	}
	t.Errorf("%d histories of the broken lock pass", brokenTries)
}

func assertSound(t *testing.T, system *localLock, fenceApart bool) {
	t.Helper()
	for n := range soundTries {
		system.history(t, n, fenceApart).mustBeLinearizable(t, lockModel(fenceApart))
	}
}

// localLock is a lock in this process, some of whose answers are lost on the way.
type localLock struct {
	locker locks.Locker
	store  record.Store
	seed   uint64

	mu     sync.Mutex
	owner  locks.Owner // changes from history to history
	random *rand.Rand
}

var _ lock = (*localLock)(nil)

func newLocal(t *testing.T, kept func(*locker.Locker) locks.Locker) *localLock {
	t.Helper()
	db := testservers.SQLite(t)
	seed := newSeed(t)
	return &localLock{
		locker: kept(locker.New(db, db.NewEngine())),
		store:  records.New(db, db.NewEngine()),
		seed:   seed,
		random: newRandom(seed, brokenTries),
	}
}

func (l *localLock) history(t *testing.T, n int, fenceApart bool) *history {
	l.owner = locks.Owner{2, byte(n)}
	return lockHistory(t.Context(), l, lockRules{ttl: shortTTL, fenceApart: fenceApart}, newRandom(l.seed, n), func() {})
}

// lose forgets now and then what came of a call.
func (l *localLock) lose(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.random.IntN(30) == 0 {
		return errLost
	}
	return err
}

func (l *localLock) acquire(ctx context.Context, in acquireInput) (acquireOutput, error) {
	grant, err := l.locker.Acquire(ctx, l.owner, locks.Request{
		Name: lockName, InstanceID: in.instance, Exclusive: in.exclusive, TTL: in.ttl, Renews: locks.Token(in.renews),
	})
	if err := l.lose(err); err != nil {
		return acquireOutput{}, err
	}
	out := acquireOutput{status: held, renewed: grant.Renewed, lock: toLockView(grant.Lock)}
	if grant.Ended {
		out.status = released
	}
	if grant.Acquired {
		out.status = acquired
		out.holder = holder{instance: in.instance, token: int64(grant.Token), expiresAt: grant.ExpiresAt.UnixMicro()}
	}
	return out, nil
}

func toLockView(l locks.Lock) lockView {
	v := lockView{exclusive: l.Exclusive}
	for _, h := range l.Holders {
		v.holders = append(v.holders, holder{instance: h.InstanceID, token: int64(h.Token), expiresAt: h.ExpiresAt.UnixMicro()})
	}
	return v
}

func (l *localLock) release(ctx context.Context, in releaseInput) (lockView, error) {
	found, err := l.locker.Release(ctx, l.key(), in.instance)
	return toLockView(found), l.lose(err)
}

func (l *localLock) key() locks.Key { return locks.Key{Owner: l.owner, Name: lockName} }

func (l *localLock) look(ctx context.Context) (lockView, error) {
	found, err := l.locker.Read(ctx, []locks.Key{l.key()})
	if err != nil {
		return lockView{}, err
	}
	return toLockView(found[0]), nil
}

func (l *localLock) fenced(ctx context.Context, id string, in fencedInput) (string, error) {
	_, err := l.store.Write(ctx, l.owner, record.Request{
		Kind:   record.KindSet,
		Writes: []record.Write{{ID: id}},
		Fence:  &record.Fence{Lock: lockName, Token: record.FenceToken(in.token)},
	})
	if errors.Is(err, record.ErrFenced) {
		return fenced, nil
	}
	if _, ok := errors.AsType[*record.InvalidError](err); ok {
		return neverGranted, nil
	}
	return success, err
}

// grantedTwice grants a lock that others hold, as one of two masters might.
type grantedTwice struct{ locks.Locker }

func (l grantedTwice) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	grant, err := l.Locker.Acquire(ctx, owner, request)
	if err != nil || grant.Acquired {
		return grant, err
	}
	request.Name += ", elsewhere"
	return l.Locker.Acquire(ctx, owner, request)
}

// repeating gives every other new grant the token of the one before.
type repeating struct {
	locks.Locker
	mu   sync.Mutex
	last locks.Token
}

func (l *repeating) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	grant, err := l.Locker.Acquire(ctx, owner, request)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || !grant.Acquired || grant.Renewed || len(grant.Lock.Holders) > 1 {
		return grant, err
	}
	if l.last == 0 {
		l.last = grant.Token
		return grant, nil
	}
	grant.Token, grant.Lock.Holders[0].Token = l.last, l.last
	l.last = 0
	return grant, nil
}

// scaled keeps holds for another time than was asked, and says otherwise.
type scaled struct {
	locks.Locker
	by float64
}

func (l scaled) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	request.TTL = time.Duration(float64(request.TTL) * l.by)
	return l.Locker.Acquire(ctx, owner, request)
}

// forgetfulLock says that it renewed a hold, and leaves it as it was.
type forgetfulLock struct{ locks.Locker }

func (l forgetfulLock) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	found, err := l.Read(ctx, []locks.Key{{Owner: owner, Name: request.Name}})
	if err != nil {
		return locks.Grant{}, err
	}
	lock := found[0]
	decision := locks.Decide(lock, request)
	if !decision.Renewed || lock.Exclusive != request.Exclusive {
		return l.Locker.Acquire(ctx, owner, request)
	}
	grant := locks.Grant{Acquired: true, Renewed: true, Token: decision.Token, Lock: lock}
	for _, h := range lock.Holders {
		if h.InstanceID == request.InstanceID {
			grant.ExpiresAt = h.ExpiresAt
		}
	}
	return grant, nil
}

// unreleased answers a release as if it had been one.
type unreleased struct{ locks.Locker }

func (l unreleased) Release(ctx context.Context, key locks.Key, _ string) (locks.Lock, error) {
	return locks.Lock{Name: key.Name}, ctx.Err()
}

// staleLooks answers every other read as the one before it.
type staleLooks struct {
	locks.Locker
	mu    sync.Mutex
	reads int
	last  []locks.Lock
}

func (l *staleLooks) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	found, err := l.Locker.Read(ctx, keys)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	if l.reads%2 == 0 {
		return l.last, err
	}
	l.last = found
	return found, err
}

// upgrading answers an upgrade as if it were a renewal: with the old token.
type upgrading struct{ locks.Locker }

func (l upgrading) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	found, err := l.Read(ctx, []locks.Key{{Owner: owner, Name: request.Name}})
	if err != nil {
		return locks.Grant{}, err
	}
	grant, err := l.Locker.Acquire(ctx, owner, request)
	for _, h := range found[0].Holders {
		if grant.Acquired && h.InstanceID == request.InstanceID && h.Token != grant.Token {
			grant.Token, grant.Renewed = h.Token, true
			grant.Lock.Holders[0].Token = h.Token
		}
	}
	return grant, err
}

// retaking grants a lock to a renewal whose grant has ended.
type retaking struct{ locks.Locker }

func (l retaking) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (locks.Grant, error) {
	grant, err := l.Locker.Acquire(ctx, owner, request)
	if err != nil || !grant.Ended {
		return grant, err
	}
	request.Renews = 0
	return l.Locker.Acquire(ctx, owner, request)
}

// unfenced lets a write through whose fence is behind.
type unfenced struct{ record.Store }

func (s unfenced) Write(ctx context.Context, owner record.Owner, request record.Request) (record.Result, error) {
	result, err := s.Store.Write(ctx, owner, request)
	if errors.Is(err, record.ErrFenced) {
		request.Fence = nil
		return s.Store.Write(ctx, owner, request)
	}
	return result, err
}

// unraised says that it raised a fence, and leaves it as it was.
type unraised struct{ redislock.Fences }

func (f unraised) RaiseFence(_ context.Context, _ locks.Key, token locks.Token) (locks.Token, error) {
	return token, nil
}
