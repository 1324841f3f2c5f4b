package retention

import (
	"cmp"
	"context"
	"slices"
	"time"

	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// purge is a unit of work that deletes rows of one owner and one table.
type purge struct {
	keys []commit.Key
	rows int // of the database; a lock has several holds

	// floor is the highest revision of the tombstones. All of the owner's up to
	// there are among keys, or were purged by units before: those that were made
	// later have higher revisions.
	floor int64
	kept  time.Time // mutation ids from then on are
	// unused is for how long nobody has used the locks whose fences go. Holds go that
	// have ended.
	unused time.Duration
	now    func() time.Time // for holds and fences, where the database has no clock
	// target is how much of the kind the owner is left with: no more goes once there
	// is no more. 0: all of them go.
	target int64

	purged int
	ended  bool // there was no more than the target: nothing goes any more
}

// add adds a row to the last unit, or to a new one if that is of another owner or
// full. It answers the unit.
func add(units *[]*purge, table commit.Table, owner []byte, id string) *purge {
	key := commit.Key{Table: table, Owner: commit.Owner(owner), ID: id}
	if n := len(*units); n == 0 || (*units)[n-1].keys[0].Owner != key.Owner || (*units)[n-1].rows >= unitRows {
		*units = append(*units, &purge{})
	}
	u := (*units)[len(*units)-1]
	u.keys = append(u.keys, key)
	u.rows++
	return u
}

// carryOut has units carried out, some at a time, so that they share transactions.
// It tells the first failure, and goes on past those of single units. Where several
// fail and none succeeds, the others would fail, too. Nor does it go on where the
// target was met.
func (s *Sweeper) carryOut(ctx context.Context, units []*purge) (purged int, goOn bool, err error) {
	for some := range slices.Chunk(units, maxUnits) {
		waits := make([]func() error, len(some))
		for i, u := range some {
			waits[i] = s.engine.Submit(ctx, u)
		}
		failures, ended := 0, false
		for i, wait := range waits {
			if failed := wait(); failed != nil {
				err = cmp.Or(err, failed)
				failures++
			} else {
				purged += some[i].purged
				ended = some[i].ended
			}
		}
		if ctx.Err() != nil || ended || failures > 1 && failures == len(some) {
			return purged, false, err
		}
	}
	return purged, true, err
}

// Plan implements commit.Unit.
func (p *purge) Plan() commit.Plan {
	owner := p.keys[0].Owner
	reads := append([]commit.Key{row.AccountOf(owner)}, p.keys...)
	if p.now != nil {
		reads = append(reads, row.PresentTime)
	}
	return commit.Plan{Owner: owner, Reads: reads, Rows: p.rows}
}

// Judge implements commit.Unit. What changed since the rows were looked for is left
// alone: a record may have been written again, or another instance was faster.
func (p *purge) Judge(rows *commit.Rows) error {
	p.purged, p.ended = 0, false
	owner := row.AccountOf(p.keys[0].Owner)
	account, exists := rows.Get(owner).(row.Account)
	before := account
	var present time.Time
	if p.now != nil {
		present = p.now()
		if theirs, ok := rows.Get(row.PresentTime).(time.Time); ok {
			present = theirs
		}
	}
	floor := int64(0)
	for _, key := range p.keys {
		if p.ended = p.target > 0 && kept(account, key.Table) <= p.target; p.ended {
			break
		}
		var left any
		switch r := rows.Get(key).(type) {
		case *record.Stored:
			if !r.Deleted || int64(r.Revision) > p.floor {
				continue
			}
			if account.Shows(r) {
				account.Tombstones--
			}
			floor = int64(r.Revision)
		case *row.Mutation:
			if r.AppliedAt >= p.kept.UnixMicro() {
				continue
			}
			if account.Knows(r) {
				account.MutationBytes -= r.Size(key.ID)
			}
		case []row.Hold:
			live := slices.DeleteFunc(slices.Clone(r), func(h row.Hold) bool { return h.ExpiresAt <= present.UnixMicro() })
			if len(live) == len(r) {
				continue
			}
			if len(live) > 0 {
				left = live
			}
			account.Holders -= int64(len(r) - len(live))
		case row.Fence:
			if present.Sub(time.UnixMicro(r.UsedAt)) < p.unused {
				continue
			}
			account.Fences--
			account.Forgotten = max(account.Forgotten, r.Token)
		default:
			continue
		}
		rows.Put(key, left)
		p.purged++
	}
	if !p.ended {
		floor = p.floor
	}
	// Instances of the version before did not count.
	account.Tombstones, account.MutationBytes = max(account.Tombstones, 0), max(account.MutationBytes, 0)
	account.Fences, account.Holders = max(account.Fences, 0), max(account.Holders, 0)
	account.Floor = max(account.Floor, floor)
	if exists && account != before {
		rows.Put(owner, account)
	}
	return nil
}

// kept is how much of what is in a table an owner is left with, as targets have it.
func kept(a row.Account, table commit.Table) int64 {
	switch table {
	case row.Records:
		return a.Tombstones
	case row.Mutations:
		return a.MutationBytes
	default:
		return a.Fences + a.Holders
	}
}
