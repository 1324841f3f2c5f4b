package locker

import (
	"cmp"
	"slices"
	"time"

	"syncline/locks"
	"syncline/storage/commit"
	"syncline/storage/row"
)

func fenceOf(key locks.Key) commit.Key {
	return commit.Key{Table: row.Fences, Owner: key.Owner, ID: key.Name}
}

func holdsOf(key locks.Key) commit.Key {
	return commit.Key{Table: row.Holds, Owner: key.Owner, ID: key.Name}
}

// acquire is a request for a lock as a unit of work.
type acquire struct {
	key     locks.Key
	request locks.Request
	now     func() time.Time
	grant   locks.Grant
}

// Plan implements commit.Unit.
func (a *acquire) Plan() commit.Plan {
	return commit.Plan{Owner: a.key.Owner, Rows: 3, Reads: []commit.Key{
		row.PresentEpoch, row.AccountOf(a.key.Owner), fenceOf(a.key), row.PresentTime, holdsOf(a.key),
	}}
}

// Judge implements commit.Unit: locks.Decide decides.
func (a *acquire) Judge(rows *commit.Rows) error {
	now := present(rows, a.now)
	fence, _ := rows.Get(fenceOf(a.key)).(row.Fence)
	stored, _ := rows.Get(holdsOf(a.key)).([]row.Hold)
	// Holds below the fence end, too: their writes are refused already, because
	// something else that kept this lock granted it again since.
	holds := slices.DeleteFunc(live(stored, now), func(h row.Hold) bool { return h.Token < fence.Token })
	lock := toLock(a.key.Name, holds, now)
	decision := locks.Decide(lock, a.request)
	if !decision.Granted {
		a.grant = locks.Grant{Ended: decision.Ended, Lock: lock}
		return nil
	}
	account, _ := rows.Get(row.AccountOf(a.key.Owner)).(row.Account)
	token := int64(decision.Token)
	if decision.NewToken {
		token = nextToken(rows, &account)
	}
	_, isNew := raise(rows, a.key, token, now)
	if isNew {
		account.Fences++
	}
	if decision.NewToken || isNew {
		rows.Put(row.AccountOf(a.key.Owner), account)
	}
	hold := row.Hold{
		InstanceID: a.request.InstanceID,
		Exclusive:  a.request.Exclusive,
		Token:      token,
		ExpiresAt:  now.Add(a.request.TTL).UnixMicro(),
	}
	holds = append(without(holds, hold.InstanceID), hold)
	rows.Put(holdsOf(a.key), holds)
	a.grant = locks.Grant{
		Acquired:  true,
		Renewed:   decision.Renewed,
		Token:     locks.Token(token),
		ExpiresAt: time.UnixMicro(hold.ExpiresAt).UTC(),
		Lock:      toLock(a.key.Name, holds, now),
	}
	return nil
}

// release is the end of a hold as a unit of work.
type release struct {
	key        locks.Key
	instanceID string
	now        func() time.Time
	lock       locks.Lock
}

// Plan implements commit.Unit.
func (r *release) Plan() commit.Plan {
	return commit.Plan{Owner: r.key.Owner, Rows: 1, Reads: []commit.Key{row.PresentTime, holdsOf(r.key)}}
}

// Judge implements commit.Unit.
func (r *release) Judge(rows *commit.Rows) error {
	now := present(rows, r.now)
	stored, _ := rows.Get(holdsOf(r.key)).([]row.Hold)
	holds := live(stored, now)
	left := without(slices.Clone(holds), r.instanceID)
	r.lock = toLock(r.key.Name, left, now)
	switch {
	case len(left) == len(holds): // it holds nothing
	case len(left) == 0:
		rows.Put(holdsOf(r.key), nil)
	default:
		rows.Put(holdsOf(r.key), left)
	}
	return nil
}

// takeToken is a unit of work for holds that are kept elsewhere, as is raiseFence.
type takeToken struct {
	owner locks.Owner
	token locks.Token
}

// Plan implements commit.Unit.
func (t *takeToken) Plan() commit.Plan {
	return commit.Plan{Owner: t.owner, Rows: 1, Reads: []commit.Key{row.PresentEpoch, row.AccountOf(t.owner)}}
}

// Judge implements commit.Unit.
func (t *takeToken) Judge(rows *commit.Rows) error {
	account, _ := rows.Get(row.AccountOf(t.owner)).(row.Account)
	t.token = locks.Token(nextToken(rows, &account))
	rows.Put(row.AccountOf(t.owner), account)
	return nil
}

type raiseFence struct {
	key          locks.Key
	token, fence locks.Token
	now          func() time.Time
}

// Plan implements commit.Unit.
func (r *raiseFence) Plan() commit.Plan {
	return commit.Plan{Owner: r.key.Owner, Rows: 2, Reads: []commit.Key{row.AccountOf(r.key.Owner), fenceOf(r.key), row.PresentTime}}
}

// Judge implements commit.Unit.
func (r *raiseFence) Judge(rows *commit.Rows) error {
	fence, isNew := raise(rows, r.key, int64(r.token), present(rows, r.now))
	r.fence = locks.Token(fence)
	if isNew {
		account, _ := rows.Get(row.AccountOf(r.key.Owner)).(row.Account)
		account.Fences++
		rows.Put(row.AccountOf(r.key.Owner), account)
	}
	return nil
}

// raise brings a lock's fence to a granted token, unless it stands there or above,
// and tells where it stands, and whether the lock has its first one, which the
// account counts. One that is used again is kept for longer.
func raise(rows *commit.Rows, key locks.Key, token int64, now time.Time) (stands int64, isNew bool) {
	fence, exists := rows.Get(fenceOf(key)).(row.Fence)
	if exists && fence.Token >= token && !outOfDate(fence, now) {
		return fence.Token, false
	}
	fence = row.Fence{Token: max(fence.Token, token), UsedAt: now.UnixMicro()}
	rows.Put(fenceOf(key), fence)
	return fence.Token, !exists
}

// outOfDate tells whether a day has passed since the use that a fence tells of.
func outOfDate(fence row.Fence, now time.Time) bool {
	return now.Sub(time.UnixMicro(fence.UsedAt)) > 24*time.Hour
}

// nextToken takes the owner's next token, above those of any history that a
// restore cut off.
func nextToken(rows *commit.Rows, account *row.Account) int64 {
	epoch := rows.Get(row.PresentEpoch).(row.Epoch)
	account.FenceToken = max(account.FenceToken, epoch.Base) + 1
	return account.FenceToken
}

// present is the time by which holds end.
func present(rows *commit.Rows, now func() time.Time) time.Time {
	if theirs, ok := rows.Get(row.PresentTime).(time.Time); ok {
		return theirs
	}
	return utc(now())
}

func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// live are the holds that have not ended, in a slice of their own. One that seems
// to last much longer than any may was granted before the clock was set back: it
// ends too, lest it bar the lock for as long as the clock was wrong.
func live(stored []row.Hold, now time.Time) []row.Hold {
	first, last := now.UnixMicro(), now.Add(2*locks.MaxTTL).UnixMicro()
	holds := make([]row.Hold, 0, len(stored)+1)
	for _, h := range stored {
		if h.ExpiresAt > first && h.ExpiresAt <= last {
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
