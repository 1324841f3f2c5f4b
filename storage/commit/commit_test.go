package commit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/storage/commit"
)

// together has units wait until all are there, and waits for what each came to.
func together(t *testing.T, e *commit.Engine, units ...commit.Unit) []error {
	t.Helper()
	resume := e.Pause()
	var waits []func() error
	for _, u := range units {
		waits = append(waits, e.Submit(t.Context(), u))
	}
	resume()
	errs := make([]error, len(units))
	for i, wait := range waits {
		errs[i] = wait()
	}
	return errs
}

func TestAUnitAloneBeginsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		e := commit.New(store, 1, 0)
		began := time.Now()
		for n := range 10 {
			mustDo(t, e, &add{owner: ownerNumber(1), name: fmt.Sprint(n)})
		}
		if time.Since(began) > 0 || len(store.commits) != 10 {
			t.Errorf("ten units one after the other took %v and %d transactions", time.Since(began), len(store.commits))
		}
	})
}

// Those that come while a transaction is under way share the next one, judged
// one after the other, each by what those before it left.
func TestUnitsThatWaitShareATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		e := commit.New(store, 1, 0)
		goOn := make(chan struct{})
		first := e.Submit(t.Context(), &add{owner: ownerNumber(1), name: "first", judge: func() { <-goOn }})
		synctest.Wait()
		var waits []func() error
		for n := range 9 {
			waits = append(waits, e.Submit(t.Context(), &add{owner: ownerNumber(n % 3), name: fmt.Sprint(n)}))
		}
		close(goOn)
		for _, wait := range append(waits, first) {
			if err := wait(); err != nil {
				t.Error(err)
			}
		}
		if len(store.commits) != 2 {
			t.Fatalf("%d transactions, want one for the first and one for the others", len(store.commits))
		}
		if got := store.applied(ownerNumber(1)); !slices.Equal(got, []string{"first", "1", "4", "7"}) {
			t.Errorf("the units took effect in the order %v", got)
		}
		changes := store.commits[1]
		if !slices.IsSortedFunc(changes, func(a, b commit.Change) int { return a.Key.Compare(b.Key) }) {
			t.Errorf("changes are not sorted: %v", changes)
		}
		for _, c := range changes {
			if c.Key == counter(ownerNumber(1), "counter") && (c.Before != 1 || c.After != 4) {
				t.Errorf("the counter goes from %v to %v, want from 1 to 4", c.Before, c.After)
			}
		}
	})
}

func TestOneWhoSendsManyDoesNotKeepOutOthers(t *testing.T) {
	t.Parallel()
	store := newMemory()
	e := commit.New(store, 1, 0)
	var units []commit.Unit
	for n := range 3 * commit.MaxRows {
		units = append(units, &add{owner: ownerNumber(1), name: fmt.Sprint(n)})
	}
	units = append(units, &add{owner: ownerNumber(2), name: "only"})
	for _, err := range together(t, e, units...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(store.commits) < 4 || !slices.ContainsFunc(store.commits[0], func(c commit.Change) bool { return c.Key.ID == "only" }) {
		t.Errorf("the second owner's only unit is not in the first of %d transactions", len(store.commits))
	}
}

func TestATransactionIsBounded(t *testing.T) {
	t.Parallel()
	store := newMemory()
	e := commit.New(store, 1, 0)
	var units []commit.Unit
	for n := range 6 {
		units = append(units, &add{owner: ownerNumber(n), name: "a", size: commit.MaxBytes / 2})
	}
	units = append(units, &add{owner: ownerNumber(6), name: "a", size: 2 * commit.MaxBytes}) // fits alone
	for _, err := range together(t, e, units...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(store.commits) != 4 {
		t.Errorf("%d transactions, want three of two units each, and one", len(store.commits))
	}
}

// A small unit is in the first transaction, however many large ones came before it, and those keep their turns.
func TestASmallUnitPassesLargeOnes(t *testing.T) {
	t.Parallel()
	store := newMemory()
	e := commit.New(store, 1, 0)
	var units []commit.Unit
	for n := range 5 {
		units = append(units, &add{owner: ownerNumber(n), name: fmt.Sprint(n), size: commit.MaxBytes})
	}
	units = append(units, &add{owner: ownerNumber(5), name: "small", size: commit.SmallBytes})
	for _, err := range together(t, e, units...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var order []string
	for _, changes := range store.commits {
		for _, c := range changes {
			if c.Key.ID != "counter" {
				order = append(order, c.Key.ID)
			}
		}
	}
	if want := []string{"0", "small", "1", "2", "3", "4"}; !slices.Equal(order, want) || len(store.commits) != 5 {
		t.Errorf("%d transactions, of %v; want five, of %v", len(store.commits), order, want)
	}
}

func TestAUnitLeavesWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		e := commit.New(store, 1, 0)
		goOn := make(chan struct{})
		judging, stopJudging := context.WithCancel(t.Context())
		first := e.Submit(judging, &add{owner: ownerNumber(1), name: "under way", judge: func() { <-goOn }})
		synctest.Wait()
		waiting, stopWaiting := context.WithCancel(t.Context())
		second := e.Submit(waiting, &add{owner: ownerNumber(1), name: "waiting"})
		synctest.Wait()
		stopJudging()
		stopWaiting()
		if err := second(); !errors.Is(err, context.Canceled) {
			t.Errorf("a unit that waits and whose context ends: %v", err)
		}
		close(goOn)
		if err := first(); err != nil {
			t.Errorf("a unit under way whose context ends: %v", err)
		}
		if err := e.Submit(waiting, &add{owner: ownerNumber(1), name: "late"})(); !errors.Is(err, context.Canceled) {
			t.Errorf("a unit whose context has ended: %v", err)
		}
		mustDo(t, e, &add{owner: ownerNumber(1), name: "after"})
		if got := store.applied(ownerNumber(1)); !slices.Equal(got, []string{"under way", "after"}) {
			t.Errorf("applied: %v", got)
		}
	})
}

// A caller need not be waiting to leave: a unit whose context ended before its
// transaction began is not run.
func TestAUnitWhoseContextEndedIsNotRun(t *testing.T) {
	t.Parallel()
	store := newMemory()
	e := commit.New(store, 1, 0)
	resume := e.Pause()
	ctx, end := context.WithCancel(t.Context())
	gone := e.Submit(ctx, &add{owner: ownerNumber(1), name: "gone"})
	stays := e.Submit(t.Context(), &add{owner: ownerNumber(1), name: "stays"})
	end()
	resume()
	if err := stays(); err != nil {
		t.Error(err)
	}
	if err := gone(); !errors.Is(err, context.Canceled) {
		t.Errorf("the unit whose context ended: %v", err)
	}
	if got := store.applied(ownerNumber(1)); !slices.Equal(got, []string{"stays"}) {
		t.Errorf("applied: %v", got)
	}
}

// The other units of a transaction do not feel that one is refused by its judge,
// by the database, or panics.
func TestAUnitThatFailsFailsAlone(t *testing.T) {
	t.Parallel()
	poison := errors.New("poison")
	store := newMemory()
	store.refuse = func(changes []commit.Change) error {
		if slices.ContainsFunc(changes, func(c commit.Change) bool { return c.Key.ID == "poison" }) {
			return poison
		}
		return nil
	}
	owner := ownerNumber(1)
	errs := together(t, commit.New(store, 1, 0),
		&add{owner: owner, name: "a"},
		&add{owner: owner, name: "!refused"},
		&add{owner: owner, name: "poison"},
		&add{owner: owner, name: "b", judge: func() { panic("a mistake") }},
		&add{owner: owner, name: "c"},
	)
	if errs[0] != nil || errs[4] != nil {
		t.Errorf("the sound units: %v, %v", errs[0], errs[4])
	}
	if !errors.Is(errs[1], errOdd) || !errors.Is(errs[2], poison) || errs[3] == nil || !strings.Contains(errs[3].Error(), "a mistake") {
		t.Errorf("the others: %v; %v; %v", errs[1], errs[2], errs[3])
	}
	if got := store.applied(owner); !slices.Equal(got, []string{"a", "c"}) || store.get(counter(owner, "counter")) != 2 {
		t.Errorf("applied: %v, counter %v", got, store.get(counter(owner, "counter")))
	}
}

// A lost answer to a commit is told to those whom it matters for, and nothing is
// run again.
func TestALostCommit(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{true, false} {
		store := newMemory()
		store.rows[counter(ownerNumber(2), "counter")] = 5
		faults := []fault{{commit: failed(commit.Unknown), applied: applied}}
		store.fault = func() (f fault) {
			if len(faults) > 0 {
				f, faults = faults[0], faults[1:]
			}
			return f
		}
		look, apart := &add{owner: ownerNumber(1)}, &add{owner: ownerNumber(2)}
		errs := together(t, commit.New(store, 1, 0),
			&add{owner: ownerNumber(1), name: "a"},
			look,  // sees a, which may not stand
			apart, // has nothing to do with it
			&add{owner: ownerNumber(1), name: "!refused"}, // by what may not stand
		)
		if got := outcomeOf(errs[0]); got != commit.Unknown || !strings.Contains(errs[0].Error(), "commit of 4 units") {
			t.Errorf("the unit that changed something: %v", errs[0])
		}
		if outcomeOf(errs[1]) != commit.Unavailable || outcomeOf(errs[3]) != commit.Unavailable {
			t.Errorf("those that saw the change: %v; %v", errs[1], errs[3])
		}
		if errs[2] != nil || apart.saw != 5 {
			t.Errorf("the one that saw nothing of it: %v, saw %d", errs[2], apart.saw)
		}
		if len(faults) > 0 || len(store.commits) > 1 {
			t.Error("a transaction whose outcome is unknown was run again")
		}
	}
}

func TestADatabaseThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for step, f := range map[string]fault{
		"begin a transaction: ":     {begin: failed(commit.Unavailable)},
		"lock and read for 3 units": {lock: failed(commit.Unavailable)},
	} {
		store := newMemory()
		transactions := 0
		store.fault = func() fault { transactions++; return f }
		units := []commit.Unit{&add{owner: ownerNumber(1), name: "a"}, &add{owner: ownerNumber(1), name: "b"}, &add{owner: ownerNumber(2), name: "c"}}
		for _, err := range together(t, commit.New(store, 1, 0), units...) {
			if outcomeOf(err) != commit.Unavailable || !strings.Contains(err.Error(), step) {
				t.Errorf("%s: %v", step, err)
			}
		}
		if transactions > 2 {
			t.Errorf("%s: %d transactions were tried, while none could do", step, transactions)
		}
	}
}

func TestAClashIsRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		clashes := 3
		store.fault = func() (f fault) {
			if clashes > 0 {
				clashes--
				f.commit = failed(commit.Clashed)
			}
			return f
		}
		e := commit.New(store, 1, 0)
		for _, err := range together(t, e, &add{owner: ownerNumber(1), name: "a"}, &add{owner: ownerNumber(1), name: "b"}) {
			if err != nil {
				t.Error(err)
			}
		}
		clashes = 1000
		if err := e.Do(t.Context(), &add{owner: ownerNumber(1), name: "c"}); outcomeOf(err) != commit.Clashed {
			t.Errorf("what always clashes: %v", err)
		}
		if got := store.applied(ownerNumber(1)); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("applied: %v", got)
		}
	})
}

// A clash takes the whole batch with it, which is run again as one: not each unit has to
// pay for a transaction.
func TestABatchThatClashesIsRunAgainWhole(t *testing.T) {
	t.Parallel()
	store := newMemory()
	transactions := 0
	store.fault = func() (f fault) {
		if transactions++; transactions == 1 {
			f.commit = failed(commit.Clashed)
		}
		return f
	}
	var units []commit.Unit
	for n := range 20 {
		units = append(units, &add{owner: ownerNumber(n % 5), name: fmt.Sprint(n)})
	}
	if err := errors.Join(together(t, commit.New(store, 1, 0), units...)...); err != nil || transactions != 2 {
		t.Errorf("%d transactions, want two: %v", transactions, err)
	}
}

// A unit of a failed batch does not pass one of its owner that has to wait for the lock.
func TestUnitsRunOneByOneKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		unlock := store.lockElsewhere(ownerNumber(1))
		transactions := 0
		store.fault = func() (f fault) {
			switch transactions++; transactions {
			case 1: // the batch
				f.lock = failed(commit.Refused)
			case 3: // after the owner's first unit, alone
				unlock()
			}
			return f
		}
		owner := ownerNumber(1)
		for _, err := range together(t, commit.New(store, 1, 1), &add{owner: owner, name: "a"}, &add{owner: ownerNumber(2), name: "b"}, &add{owner: owner, name: "c"}) {
			if err != nil {
				t.Error(err)
			}
		}
		if got := store.applied(owner); !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("applied in the order %v", got)
		}
	})
}

// Who comes when a transaction could not begin is not refused for that.
func TestNewcomersHaveATryOfTheirOwn(t *testing.T) {
	t.Parallel()
	store := newMemory()
	e := commit.New(store, 1, 0)
	var newcomer func() error
	begins := 0
	store.fault = func() (f fault) {
		if begins++; begins == 1 {
			f.begin = failed(commit.Unavailable)
		}
		return f
	}
	first := &ending{Context: t.Context(), asked: func() { // as the first is refused
		if begins == 1 && newcomer == nil {
			newcomer = e.Submit(t.Context(), &add{owner: ownerNumber(2), name: "b"})
		}
	}}
	if err := e.Submit(first, &add{owner: ownerNumber(1), name: "a"})(); outcomeOf(err) != commit.Unavailable {
		t.Errorf("the first: %v", err)
	}
	if err := newcomer(); err != nil {
		t.Errorf("the newcomer: %v", err)
	}
}

// ending is a context that tells when it is asked whether it ended.
type ending struct {
	context.Context
	asked func()
}

func (e *ending) Err() error { e.asked(); return e.Context.Err() }

// An owner whom another process has locked, and however many units wait for him,
// hold up nobody else. When he is unlocked, they take effect in their order.
func TestALockedOwnerHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		e := commit.New(store, 2, 4)
		var waits []func() error
		var unlocks []func()
		for owner := range 10 {
			unlocks = append(unlocks, store.lockElsewhere(ownerNumber(owner)))
			for n := range 20 {
				waits = append(waits, e.Submit(t.Context(), &add{owner: ownerNumber(owner), name: fmt.Sprint(n)}))
			}
		}
		for n := range 50 {
			mustDo(t, e, &add{owner: ownerNumber(100 + n), name: "a"})
		}
		synctest.Wait()
		ending, end := context.WithCancel(t.Context())
		late := e.Submit(ending, &add{owner: ownerNumber(0), name: "late"})
		end()
		if err := late(); !errors.Is(err, context.Canceled) {
			t.Errorf("a unit that waits behind the lock and leaves: %v", err)
		}
		for _, unlock := range unlocks {
			unlock()
		}
		for _, wait := range waits {
			if err := wait(); err != nil {
				t.Error(err)
			}
		}
		for owner := range 10 {
			for n, name := range store.applied(ownerNumber(owner)) {
				if name != fmt.Sprint(n) {
					t.Fatalf("owner %d: %s took effect as number %d", owner, name, n)
				}
			}
		}
		if e.Waiting() != 0 {
			t.Errorf("%d units wait still", e.Waiting())
		}
	})
}

// A unit that needs no lock takes effect though its owner is locked elsewhere, and
// another unit of the owner waits for that.
func TestAnUnlockedUnitWaitsForNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		e := commit.New(store, 1, 1)
		unlock := store.lockElsewhere(ownerNumber(1))
		waiting := e.Submit(t.Context(), &add{owner: ownerNumber(1), name: "waits"})
		synctest.Wait()
		mustDo(t, e, unlocked{&add{owner: ownerNumber(1), name: "does not"}})
		if got := store.applied(ownerNumber(1)); !slices.Equal(got, []string{"does not"}) {
			t.Errorf("while the owner is locked elsewhere, %v took effect", got)
		}
		unlock()
		if err := waiting(); err != nil {
			t.Error(err)
		}
	})
}

type unlocked struct{ *add }

func (u unlocked) Plan() commit.Plan {
	plan := u.add.Plan()
	plan.Unlocked = true
	return plan
}

func TestWhatWaitsIsBounded(t *testing.T) {
	t.Parallel()
	e := commit.New(newMemory(), 1, 0)
	resume := e.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	fill := func(owner commit.Owner, size, atMost int) (accepted int) {
		for range atMost {
			before := e.Waiting()
			wait := e.Submit(ctx, &add{owner: owner, name: "a", size: size})
			if e.Waiting() == before {
				if err := wait(); outcomeOf(err) != commit.Unavailable {
					t.Errorf("a unit too many: %v", err)
				}
				return accepted
			}
			accepted++
		}
		return accepted
	}
	const size = 1 << 20
	if n := fill(ownerNumber(1), size, 1000); n != commit.MaxWaitingBytes/2/size {
		t.Errorf("one owner may fill %d MiB", n)
	}
	fill(ownerNumber(2), size, 1000)
	if n := fill(ownerNumber(3), size, 1000); n != 0 {
		t.Errorf("two owners left room for %d MiB", n)
	}
	if n := fill(ownerNumber(4), 0, commit.MaxWaiting); n != commit.MaxWaiting/2 {
		t.Errorf("one owner may have %d units wait", n)
	}
	if wait := e.Submit(ctx, unlocked{&add{owner: ownerNumber(5), name: "a", size: size}}); e.Waiting() != 2*commit.MaxWaitingBytes/2/size+commit.MaxWaiting/2+1 {
		t.Errorf("a unit that needs no lock finds no room: %v", wait())
	}
	cancel()
	resume()
	e.Close(t.Context())
	if err := e.Do(t.Context(), &add{owner: ownerNumber(1)}); outcomeOf(err) != commit.Unavailable {
		t.Errorf("a unit after Close: %v", err)
	}
}

// wild asks for a row that it did not plan.
type wild struct{ add }

func (w *wild) Judge(rows *commit.Rows) error {
	rows.Put(counter(w.owner, "not planned"), 1)
	return nil
}

func TestARowThatWasNotPlannedIsAFault(t *testing.T) {
	t.Parallel()
	store := newMemory()
	err := commit.New(store, 1, 0).Do(t.Context(), &wild{add{owner: ownerNumber(1)}})
	if err == nil || outcomeOf(err) != 0 || len(store.rows) > 0 {
		t.Errorf("%v; rows %v", err, store.rows)
	}
}

// loading looks at a row only for its answer.
type loading struct {
	add
	key   commit.Key
	value any
}

func (l *loading) Judge(rows *commit.Rows) error {
	rows.Load(l.key, func(value any) { l.value = value })
	return l.add.Judge(rows)
}

func TestWhatOnlyTheAnswerNeedsIsReadAsItWas(t *testing.T) {
	t.Parallel()
	store := newMemory()
	owner := ownerNumber(1)
	store.rows[counter(owner, "counter")] = 7
	there := &loading{add: add{owner: owner, name: "a"}, key: counter(owner, "counter")}
	missing := &loading{add: add{owner: owner, name: "b"}, key: counter(owner, "missing"), value: "none yet"}
	if err := errors.Join(together(t, commit.New(store, 1, 0), there, missing)...); err != nil {
		t.Fatal(err)
	}
	if there.value != 7 || missing.value != nil {
		t.Errorf("read %v and %v", there.value, missing.value)
	}
}

// Whoever asks is told what became of each unit: when it came, when a transaction took it and with how many others,
// and when it was answered. One that left the queue was taken by none.
func TestTheCourseOfUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := commit.New(newMemory(), 1, 0)
		type name struct{}
		courses := map[string]commit.Course{}
		e.OnUnit(func(ctx context.Context, c commit.Course) { courses[ctx.Value(name{}).(string)] = c })
		begun := time.Now()
		submit := func(ctx context.Context, as string, judge func()) func() error {
			return e.Submit(context.WithValue(ctx, name{}, as), &add{owner: ownerNumber(1), name: as, judge: judge})
		}
		waits := []func() error{submit(t.Context(), "first", func() { <-time.After(time.Second) })}
		synctest.Wait()
		leaving, leave := context.WithCancel(t.Context())
		waits = append(waits, submit(leaving, "leaves", nil), submit(t.Context(), "second", nil), submit(t.Context(), "third", nil))
		leave()
		for i, wait := range slices.Backward(waits) {
			if err := wait(); (err != nil) != (i == 1) {
				t.Error(err)
			}
		}
		after := begun.Add(time.Second)
		for as, want := range map[string]commit.Course{
			"first":  {Submitted: begun, Began: begun, Units: 1},
			"leaves": {Submitted: begun, Err: context.Canceled},
			"second": {Submitted: begun, Began: after, Units: 2},
			"third":  {Submitted: begun, Began: after, Units: 2},
		} {
			got := courses[as]
			if got.Answered.Before(got.Began) || got.Answered.Before(got.Submitted) {
				t.Errorf("%s was answered at %v", as, got.Answered)
			}
			if got.Answered = (time.Time{}); got != want {
				t.Errorf("%s: %+v, want %+v", as, got, want)
			}
		}
	})
}
