// Package locker keeps locks in the database.
//
// What it does to a lock is a unit of work of commit, so locks share transactions
// with writes and with one another. Holds survive a restart. They end by the
// clock of the database: PostgreSQL's own, or with SQLite this process's.
//
// Each request is one method of Locker, with its unit of work in it; what they
// have in common comes after them. fences.go has what a Locker does for another
// one, which keeps holds elsewhere.
package locker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"syncline/locks"
	"syncline/record"
	"syncline/storage"
	"syncline/storage/commit"
	"syncline/storage/failure"
	"syncline/storage/row"
)

// Locker is a locks.Locker. Make one with New.
type Locker struct {
	engine *commit.Engine
	rows   storage.Reader
	now    func() time.Time // for a database that has no clock of its own

	quota  record.Quota
	exceed func(locks.Owner) // nil: nobody is told
}

var _ locks.Locker = (*Locker)(nil)

// New keeps locks in a migrated database, by its engine.
func New(db *storage.DB, engine *commit.Engine) *Locker {
	return &Locker{engine: engine, rows: db.Rows(), now: time.Now}
}

// SetClock replaces time.Now as the clock of SQLite, before the first request. PostgreSQL
// goes by its own.
func (l *Locker) SetClock(now func() time.Time) { l.now = now }

// LimitOwners bounds the rows of locks that an owner leaves, by the LockRows of the
// owner's own quota or of this one. exceed is told of owners who pass that and must not
// wait for anything. Whoever is a quarter above it gets nothing that takes a new row: an
// *UnavailableError. It is called before the first request.
func (l *Locker) LimitOwners(quota record.Quota, exceed func(locks.Owner)) {
	l.quota, l.exceed = quota, exceed
}

// Acquire implements locks.Locker. The holds, the token and the fence change in
// one transaction, under the lock of the owner's account. locks.Decide decides.
func (l *Locker) Acquire(ctx context.Context, owner locks.Owner, request locks.Request) (grant locks.Grant, err error) {
	key := locks.Key{Owner: owner, Name: request.Name}
	reads := []commit.Key{row.PresentEpoch, row.AccountOf(owner), row.FenceOf(owner, key.Name), row.PresentTime, row.HoldsOf(owner, key.Name)}
	err = l.do(ctx, commit.Plan{Owner: owner, Rows: 3, Reads: reads}, func(rows *commit.Rows) error {
		now := l.present(rows.Get(row.PresentTime))
		account, _ := rows.Get(row.AccountOf(owner)).(row.Account)
		before := account
		stored, _ := rows.Get(row.HoldsOf(owner, key.Name)).([]row.Hold)
		fence, used := rows.Get(row.FenceOf(owner, key.Name)).(row.Fence)
		if !used {
			fence.Token = account.Forgotten + 1
		}
		holds := live(stored, fence.Token, now)
		lock := toLock(key.Name, holds, now)
		decision := locks.Decide(lock, request)
		if !decision.Granted {
			grant = locks.Grant{Ended: decision.Ended, Lock: lock}
			return nil
		}
		token := int64(decision.Token)
		if decision.NewToken {
			token = nextToken(rows, &account)
		}
		raise(rows, key, &account, token, now)
		hold := row.Hold{
			InstanceID: request.InstanceID,
			Exclusive:  request.Exclusive,
			Token:      token,
			ExpiresAt:  now.Add(request.TTL).UnixMicro(),
		}
		holds = append(without(holds, hold.InstanceID), hold)
		rows.Put(row.HoldsOf(owner, key.Name), holds)
		account.Holders = max(0, account.Holders-int64(len(stored))) + int64(len(holds))
		grant = locks.Grant{
			Acquired:  true,
			Renewed:   decision.Renewed,
			Token:     locks.Token(token),
			ExpiresAt: time.UnixMicro(hold.ExpiresAt).UTC(),
			Lock:      toLock(key.Name, holds, now),
		}
		return l.keep(rows, owner, before, account)
	})
	if err != nil {
		return locks.Grant{}, err
	}
	return grant, nil
}

// Release implements locks.Locker. Without a hold to end it writes nothing.
func (l *Locker) Release(ctx context.Context, key locks.Key, instanceID string) (lock locks.Lock, err error) {
	holdsKey, fenceKey := row.HoldsOf(key.Owner, key.Name), row.FenceOf(key.Owner, key.Name)
	plan := commit.Plan{Owner: key.Owner, Rows: 1, Reads: []commit.Key{row.AccountOf(key.Owner), fenceKey, row.PresentTime, holdsKey}}
	err = l.do(ctx, plan, func(rows *commit.Rows) error {
		now := l.present(rows.Get(row.PresentTime))
		stored, _ := rows.Get(holdsKey).([]row.Hold)
		fence, _ := rows.Get(fenceKey).(row.Fence)
		holds := live(stored, fence.Token, now)
		left := without(slices.Clone(holds), instanceID)
		lock = toLock(key.Name, left, now)
		if len(left) == len(holds) { // it holds nothing
			return nil
		}
		var after any // nil: nobody holds it
		if len(left) > 0 {
			after = left
		}
		rows.Put(holdsKey, after)
		account, _ := rows.Get(row.AccountOf(key.Owner)).(row.Account)
		before := account
		account.Holders = max(0, account.Holders-int64(len(stored)-len(left)))
		return l.keep(rows, key.Owner, before, account)
	})
	if err != nil {
		return locks.Lock{}, err
	}
	return lock, nil
}

// readTime bounds a read, so that a database that stopped answering does not hold
// requests for ever.
const readTime = 30 * time.Second

// Read implements locks.Locker.
func (l *Locker) Read(ctx context.Context, keys []locks.Key) ([]locks.Lock, error) {
	wanted := append(make([]commit.Key, 0, 2*len(keys)+1), row.PresentTime)
	for _, key := range keys {
		wanted = append(wanted, row.FenceOf(key.Owner, key.Name), row.HoldsOf(key.Owner, key.Name))
	}
	slices.SortFunc(wanted, commit.Key.Compare)
	rows, err := l.read(ctx, slices.Compact(wanted))
	if err != nil {
		return nil, err
	}
	now := l.present(rows[row.PresentTime])
	found := make([]locks.Lock, len(keys))
	for i, key := range keys {
		holds, _ := rows[row.HoldsOf(key.Owner, key.Name)].([]row.Hold)
		fence, _ := rows[row.FenceOf(key.Owner, key.Name)].(row.Fence)
		found[i] = toLock(key.Name, live(holds, fence.Token, now), now)
	}
	return found, nil
}

// read reads one state of the database: the rows that there are.
func (l *Locker) read(ctx context.Context, keys []commit.Key) (rows map[commit.Key]any, err error) {
	server, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	err = failure.Retry(server, func() error {
		rows = make(map[commit.Key]any, len(keys)) // without what an attempt found that failed
		return l.rows.Read(server, keys, func(key commit.Key, value any) { rows[key] = value })
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return rows, unavailable(err)
}

// do has a unit of work carried out. The end of ctx stops it before it begins, and
// not any more after that, so that whoever still listens learns what became of it.
func (l *Locker) do(ctx context.Context, plan commit.Plan, judge func(*commit.Rows) error) error {
	err := l.engine.Do(ctx, commit.NewUnit(plan, judge))
	if _, failed := errors.AsType[*commit.Failure](err); err != nil && !failed && ctx.Err() != nil {
		return ctx.Err()
	}
	return unavailable(err)
}

// unavailable says that the database is at fault, for a request that got here is
// valid.
func unavailable(err error) error {
	if _, said := errors.AsType[*locks.UnavailableError](err); err == nil || said {
		return err
	}
	u := &locks.UnavailableError{RetryAfter: time.Second, Err: err}
	if f, ok := errors.AsType[*commit.Failure](err); ok {
		u.RetryAfter, u.OutcomeUnknown = f.RetryAfter, f.Outcome == commit.Unknown
	}
	return u
}

// retryAfterFull is for owners who have too many locks: some are forgotten as time
// goes by.
const retryAfterFull = time.Minute

var errFull = errors.New("the owner has used too many locks; those that are not used any more are being purged")

// keep puts an owner's account if it changed, within the bound of LimitOwners.
func (l *Locker) keep(rows *commit.Rows, owner locks.Owner, before, account row.Account) error {
	own := record.Account{Own: record.Quota{Records: account.QuotaRecords, Bytes: account.QuotaBytes}}
	most, is := l.quota.Of(own).LockRows(), account.Fences+account.Holders
	if most > 0 && is > most && is > before.Fences+before.Holders {
		if l.exceed != nil {
			l.exceed(owner)
		}
		if is > most+most/4 {
			return &locks.UnavailableError{RetryAfter: retryAfterFull, Err: errFull}
		}
	}
	if account != before {
		rows.Put(row.AccountOf(owner), account)
	}
	return nil
}

// present is the time by which holds end: the database's own, if it tells one.
func (l *Locker) present(theirs any) time.Time {
	if now, told := theirs.(time.Time); told {
		return now
	}
	return l.now().UTC().Truncate(time.Microsecond)
}

// live are the holds that have not ended, in a slice of their own. One that seems
// to last much longer than any may was granted before the clock was set back: it
// ends too, lest it bar the lock for as long as the clock was wrong. So does one below the
// fence: its writes are refused already, because something else that kept this lock
// granted it again since.
func live(stored []row.Hold, fence int64, now time.Time) []row.Hold {
	first, last := now.UnixMicro(), now.Add(2*locks.MaxTTL).UnixMicro()
	holds := make([]row.Hold, 0, len(stored)+1)
	for _, h := range stored {
		if h.ExpiresAt > first && h.ExpiresAt <= last && h.Token >= fence {
			holds = append(holds, h)
		}
	}
	return holds
}

func without(holds []row.Hold, instanceID string) []row.Hold {
	return slices.DeleteFunc(holds, func(h row.Hold) bool { return h.InstanceID == instanceID })
}

func toLock(name string, holds []row.Hold, now time.Time) locks.Lock {
	lock := locks.Lock{Name: name, ReadAt: now}
	for _, h := range holds {
		lock.Exclusive = lock.Exclusive || h.Exclusive
		lock.Holders = append(lock.Holders, locks.Holder{
			InstanceID: h.InstanceID,
			Token:      locks.Token(h.Token),
			ExpiresAt:  time.UnixMicro(h.ExpiresAt).UTC(),
		})
	}
	slices.SortFunc(lock.Holders, func(x, y locks.Holder) int { return cmp.Compare(x.InstanceID, y.InstanceID) })
	return lock
}
