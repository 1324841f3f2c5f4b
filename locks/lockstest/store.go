package lockstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"syncline/locks"
)

func fences(r *run) { // acquire checks the fence at each grant
	first := r.mustAcquire(shared("a", "me", long))
	r.mustAcquire(shared("a", "you", long))
	r.mustAcquire(shared("a", "me", long))
	if fence := r.Fence(key("a")); fence != first.Token {
		r.Errorf("the fence is %d, want %d: the grant's token", fence, first.Token)
	}
	r.release("a", "you")
	second := r.mustAcquire(exclusive("a", "me", long))
	if fence := r.Fence(key("a")); fence != second.Token {
		r.Errorf("the fence is %d after an upgrade to %d", fence, second.Token)
	}
	if fence := r.Fence(key("b")); fence != 0 {
		r.Errorf("the fence of another lock is %d", fence)
	}
	if fence := r.Fence(locks.Key{Owner: bob, Name: "a"}); fence != 0 {
		r.Errorf("the fence of another owner's lock is %d", fence)
	}
}

func leavesFence(r *run) {
	grant := r.mustAcquire(exclusive("a", "me", long))
	r.mustBeHeld(exclusive("a", "you", long))
	r.mustBeHeld(shared("a", "you", long))
	r.release("a", "you")
	r.release("a", "me")
	if fence := r.Fence(key("a")); fence != grant.Token {
		r.Errorf("the fence is %d, want %d", fence, grant.Token)
	}
}

func isolatesOwners(r *run) {
	mine := r.mustAcquire(exclusive("a", "me", long))
	his, err := r.Locker.Acquire(r.Context(), bob, exclusive("a", "me", long))
	if err != nil || !his.Acquired || his.Renewed {
		r.Fatalf("another owner's lock of the same name: %+v, %v", his, err)
	}
	if his.Token != mine.Token {
		r.Errorf("each owner's tokens count for themselves: %d and %d", mine.Token, his.Token)
	}
	if _, err := r.Locker.Release(r.Context(), locks.Key{Owner: bob, Name: "a"}, "me"); err != nil {
		r.Fatal(err)
	}
	r.expectHolders(r.read("a"), true, "me")
}

var awkward = []string{
	"a", "A", "a ", " a", "a:b", "a/b", "a|b", "a.b", "{a}", "[a]", "a*", "*", "?", "%", "_", "'", `"`, `\`, "--", ";",
	"a\u00a0b", "é", "e\u0301", "ß", "ss", "💾", "\u200b", "\u2028", "0", "00", "null", strings.Repeat("n", locks.MaxInstanceIDBytes),
}

func keepsNamesApart(r *run) {
	names := append([]string{strings.Repeat("n", locks.MaxNameBytes)}, awkward...)
	tokens := make(map[string]locks.Token)
	for _, name := range names {
		tokens[name] = r.mustAcquire(exclusive(name, "by "+name, long)).Token
	}
	for _, name := range names {
		lock := r.read(name)
		r.expectHolders(lock, true, "by "+name)
		if lock.Holders[0].Token != tokens[name] || r.Fence(key(name)) != tokens[name] {
			r.Errorf("%q: token %d, fence %d, granted %d", name, lock.Holders[0].Token, r.Fence(key(name)), tokens[name])
		}
	}
	for _, name := range names {
		r.expectHolders(r.release(name, "by "+name), false)
	}
}

func keepsInstancesApart(r *run) {
	for i, instance := range awkward {
		if grant := r.mustAcquire(shared("a", instance, long)); grant.Renewed || len(grant.Lock.Holders) != i+1 {
			r.Fatalf("%q passes for another instance: %+v", instance, grant)
		}
	}
	for i, instance := range awkward {
		if lock := r.release("a", instance); len(lock.Holders) != len(awkward)-1-i {
			r.Fatalf("release by %q leaves %+v", instance, lock.Holders)
		}
	}
}

func readsMany(r *run) {
	const n = 2500
	keys := make([]locks.Key, n)
	for i := range keys {
		keys[i] = locks.Key{Owner: alice, Name: fmt.Sprintf("lock %d", i%(n-1))} // the first comes again at the end
		if i%3 == 0 {
			keys[i].Owner = bob
		}
	}
	keys[n-1] = keys[0]
	taken := map[locks.Key]locks.Token{}
	for _, k := range []locks.Key{keys[0], keys[1], keys[1000], keys[n-2]} {
		grant, err := r.Locker.Acquire(r.Context(), k.Owner, exclusive(k.Name, "me", long))
		if err != nil {
			r.Fatal(err)
		}
		taken[k] = grant.Token
	}
	found, err := r.Locker.Read(r.Context(), keys)
	if err != nil || len(found) != n {
		r.Fatalf("Read of %d locks: %d, %v", n, len(found), err)
	}
	for i, lock := range found {
		r.check(lock, keys[i].Name)
		if token, ok := taken[keys[i]]; ok != lock.Locked() || ok && lock.Holders[0].Token != token {
			r.Errorf("lock %d: %+v, want token %d", i, lock, token)
		}
	}
	if none, err := r.Locker.Read(r.Context(), nil); err != nil || len(none) != 0 {
		r.Errorf("Read of no locks: %v, %v", none, err)
	}
}

func survivesRestart(r *run) {
	first := r.mustAcquire(exclusive("a", "me", long))
	second := r.mustAcquire(shared("b", "me", short))
	r.Locker = r.Reopen()
	r.expectHolders(r.read("a"), true, "me")
	r.mustBeHeld(exclusive("a", "you", long))
	if renewed := r.mustAcquire(exclusive("a", "me", long)); !renewed.Renewed || renewed.Token != first.Token {
		r.Errorf("renewal after a restart: %+v, want token %d", renewed, first.Token)
	}
	r.Elapse(overShort)
	r.Locker = r.Reopen()
	if anew := r.mustAcquire(shared("b", "me", long)); anew.Renewed || anew.Token <= second.Token {
		r.Errorf("grant after a restart: %+v, want a token above %d", anew, second.Token)
	}
}

func heedsContext(r *run) {
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	if _, err := r.Locker.Acquire(ctx, alice, exclusive("a", "me", long)); !errors.Is(err, context.Canceled) {
		r.Errorf("Acquire: %v, want context.Canceled", err)
	}
	if _, err := r.Locker.Read(ctx, []locks.Key{key("a")}); !errors.Is(err, context.Canceled) {
		r.Errorf("Read: %v, want context.Canceled", err)
	}
	r.expectHolders(r.read("a"), false)
	r.mustAcquire(exclusive("a", "me", long))
	if _, err := r.Locker.Release(ctx, key("a"), "me"); !errors.Is(err, context.Canceled) {
		r.Errorf("Release: %v, want context.Canceled", err)
	}
	r.expectHolders(r.read("a"), true, "me")
}

// together runs f n times at once. f must not end the test.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

func racesForOne(r *run) {
	const n = 16
	grants := make([]locks.Grant, n)
	together(n, func(i int) {
		var err error
		if grants[i], err = r.Locker.Acquire(r.Context(), alice, exclusive("a", fmt.Sprint(i), long)); err != nil {
			r.Error(err)
		}
	})
	winners := 0
	for i, grant := range grants {
		if grant.Acquired {
			winners++
			r.expectHolders(r.read("a"), true, fmt.Sprint(i))
		}
	}
	if winners != 1 {
		r.Errorf("%d of %d racers hold an exclusive lock", winners, n)
	}
}

func racesForMany(r *run) {
	const n = 16
	grants := make([]locks.Grant, n)
	together(n, func(i int) {
		var err error
		if grants[i], err = r.Locker.Acquire(r.Context(), alice, exclusive(fmt.Sprint(i), "me", long)); err != nil {
			r.Error(err)
		}
	})
	seen := map[locks.Token]bool{}
	for i, grant := range grants {
		if !grant.Acquired || seen[grant.Token] {
			r.Errorf("grant %+v: refused, or its token was granted twice", grant)
		}
		seen[grant.Token] = true
		if fence := r.Fence(key(fmt.Sprint(i))); fence != grant.Token {
			r.Errorf("fence %d, token %d", fence, grant.Token)
		}
	}
}

// excludes lets workers take and release one lock as fast as they can, and
// looks for two inside at once, and for tokens that do not grow.
func excludes(r *run) {
	var inside, granted atomic.Int32
	var last atomic.Int64
	together(4, func(worker int) {
		instance := fmt.Sprint(worker)
		for range 25 {
			grant, err := r.Locker.Acquire(r.Context(), alice, exclusive("a", instance, long))
			if err != nil {
				r.Error(err)
				return
			}
			if !grant.Acquired {
				continue
			}
			granted.Add(1)
			if n := inside.Add(1); n > 1 {
				r.Errorf("%d hold an exclusive lock at once", n)
			}
			if before := last.Swap(int64(grant.Token)); int64(grant.Token) <= before {
				r.Errorf("token %d after %d", grant.Token, before)
			}
			if _, err := r.Locker.Read(r.Context(), []locks.Key{key("a")}); err != nil { // stay inside for a while
				r.Error(err)
			}
			inside.Add(-1)
			if _, err := r.Locker.Release(r.Context(), key("a"), instance); err != nil {
				r.Error(err)
				return
			}
		}
	})
	if granted.Load() == 0 {
		r.Error("nobody got the lock")
	}
}
