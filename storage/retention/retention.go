// Package retention forgets what is kept for a time only: tombstones, with the
// floor below which feeds do not know of deletes any more, and mutation ids. It
// removes what was erased, too, which nobody sees any more.
//
// It looks for what is old beside the writers, a page at a time, and has it
// purged by units of work: what is judged under the owner's lock is what is
// purged, so instances that sweep at the same time do no harm.
package retention

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"syncline/ent"
	"syncline/ent/appliedmutation"
	entrecord "syncline/ent/record"
	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// sweepEvery is how often what is old is looked for.
const sweepEvery = time.Hour

// What is read at a time, what a unit purges at most, and how many units wait at
// a time: a writer that comes has one transaction of them before it, mostly.
const (
	pageRows = 1000
	unitRows = 50
	maxUnits = 32
)

// Sweeper purges what is older than it is to be kept.
type Sweeper struct {
	read                  *ent.Client
	engine                *commit.Engine
	tombstones, mutations time.Duration
	now                   func() time.Time
	log                   *slog.Logger
	erased                chan struct{} // holds one request to purge what was erased
}

// New makes a sweeper. read reads the database whose writes engine carries out.
// Tombstones and mutation ids are kept for so long, or for ever if that is 0. now
// is the clock that stamps records.
func New(read *ent.Client, engine *commit.Engine, tombstones, mutations time.Duration, now func() time.Time, log *slog.Logger) *Sweeper {
	return &Sweeper{read: read, engine: engine, tombstones: tombstones, mutations: mutations, now: now, log: log, erased: make(chan struct{}, 1)}
}

// Run sweeps at once and then every hour, until ctx ends, and returns its error.
func (s *Sweeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		swept, err := s.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.log.WarnContext(ctx, "what is old was not purged whole; the next sweep tries again", "error", err)
		case swept != Swept{}:
			s.log.InfoContext(ctx, "old data purged", "tombstones", swept.Tombstones, "mutation_ids", swept.Mutations, "erased", swept.Erased)
		}
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ticker.C:
				due = true
			case <-s.erased:
				if _, err := s.sweepErased(ctx); err != nil && ctx.Err() == nil {
					s.log.WarnContext(ctx, "what was erased, and is seen by nobody, was not removed whole; the next sweep tries again", "error", err)
				}
			}
		}
	}
}

// Swept is how much a sweep purged.
type Swept struct {
	Tombstones, Mutations int
	Erased                int // records and mutation ids
}

// Sweep purges all that is too old now. What cannot be purged does not keep the rest
// from being purged. With an error, Swept is what was purged all the same.
func (s *Sweeper) Sweep(ctx context.Context) (swept Swept, err error) {
	if swept.Erased, err = s.sweepErased(ctx); err != nil {
		err = fmt.Errorf("remove what was erased: %w", err)
	}
	if s.tombstones > 0 {
		var failed error
		if swept.Tombstones, failed = s.sweepTombstones(ctx, s.now().Add(-s.tombstones)); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge tombstones: %w", failed))
		}
	}
	if s.mutations > 0 {
		var failed error
		if swept.Mutations, failed = s.sweepMutations(ctx, s.now().Add(-s.mutations)); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge mutation ids: %w", failed))
		}
	}
	return swept, err
}

// sweepTombstones walks through the tombstones in order of owner and revision.
// Those of an owner are purged from the lowest revision up to the first one that
// is to be kept, so that none is left below the floor.
func (s *Sweeper) sweepTombstones(ctx context.Context, kept time.Time) (purged int, err error) {
	owner, revision := []byte{}, int64(0) // where the walk is
	var firstFailed error
	for {
		page, err := s.read.Record.Query().
			Where(entrecord.Deleted(true), entrecord.OwnerGTE(owner), entrecord.Or(entrecord.OwnerGT(owner), entrecord.RevisionGT(revision))).
			Order(ent.Asc(entrecord.FieldOwner, entrecord.FieldRevision)).
			Limit(pageRows).
			Select(entrecord.FieldOwner, entrecord.FieldID, entrecord.FieldRevision, entrecord.FieldUpdatedAt).
			All(ctx)
		if err != nil {
			return purged, errors.Join(firstFailed, err)
		}
		var units []*purge
		for _, r := range page {
			if revision == math.MaxInt64 && bytes.Equal(r.Owner, owner) {
				continue // an earlier one of this owner is to be kept
			}
			owner, revision = r.Owner, r.Revision
			if r.UpdatedAt >= kept.UnixMicro() {
				revision = math.MaxInt64
				continue
			}
			units = add(units, row.Records, r.Owner, r.ID)
			units[len(units)-1].floor = r.Revision
		}
		n, goOn, failed := s.carryOut(ctx, units)
		purged += n
		firstFailed = cmp.Or(firstFailed, failed)
		if !goOn || len(page) < pageRows {
			return purged, firstFailed
		}
	}
}

func (s *Sweeper) sweepMutations(ctx context.Context, kept time.Time) (purged int, err error) {
	owner, id := []byte{}, "" // where the walk is
	var firstFailed error
	for {
		page, err := s.read.AppliedMutation.Query().
			Where(appliedmutation.AppliedAtLT(kept.UnixMicro()),
				appliedmutation.OwnerGTE(owner), appliedmutation.Or(appliedmutation.OwnerGT(owner), appliedmutation.IDGT(id))).
			Order(ent.Asc(appliedmutation.FieldOwner, appliedmutation.FieldID)).
			Limit(pageRows).
			Select(appliedmutation.FieldOwner, appliedmutation.FieldID).
			All(ctx)
		if err != nil {
			return purged, errors.Join(firstFailed, err)
		}
		var units []*purge
		for _, m := range page {
			owner, id = m.Owner, m.ID
			units = add(units, row.Mutations, m.Owner, m.ID)
			units[len(units)-1].kept = kept
		}
		n, goOn, failed := s.carryOut(ctx, units)
		purged += n
		firstFailed = cmp.Or(firstFailed, failed)
		if !goOn || len(page) < pageRows {
			return purged, firstFailed
		}
	}
}

// add adds a row to the last unit, or to a new one if that is of another owner or
// full.
func add(units []*purge, table commit.Table, owner []byte, id string) []*purge {
	key := commit.Key{Table: table, Owner: commit.Owner(owner), ID: id}
	if n := len(units); n > 0 && units[n-1].keys[0].Owner == key.Owner && len(units[n-1].keys) < unitRows {
		units[n-1].keys = append(units[n-1].keys, key)
		return units
	}
	return append(units, &purge{keys: []commit.Key{key}})
}

// carryOut has units carried out, some at a time, so that they share transactions.
// It tells the first failure, and goes on past those of single units. Where several
// fail and none succeeds, the others would fail, too.
func (s *Sweeper) carryOut(ctx context.Context, units []*purge) (purged int, goOn bool, err error) {
	for len(units) > 0 {
		some := units[:min(len(units), maxUnits)]
		units = units[len(some):]
		waits := make([]func() error, len(some))
		for i, u := range some {
			waits[i] = s.engine.Submit(ctx, u)
		}
		failures := 0
		for i, wait := range waits {
			if failed := wait(); failed != nil {
				err = cmp.Or(err, failed)
				failures++
			} else {
				purged += some[i].purged
			}
		}
		if ctx.Err() != nil || failures > 1 && failures == len(some) {
			return purged, false, err
		}
	}
	return purged, true, err
}

// purge is a unit of work that deletes rows of one owner, all of them tombstones or
// all of them mutation ids.
type purge struct {
	keys []commit.Key
	// floor is the highest revision of the tombstones. All of the owner's up to
	// there are among keys, or were purged by units before: those that were made
	// later have higher revisions.
	floor int64
	kept  time.Time // mutation ids from then on are

	purged int
}

// Plan implements commit.Unit.
func (p *purge) Plan() commit.Plan {
	owner := p.keys[0].Owner
	return commit.Plan{Owner: owner, Reads: append([]commit.Key{row.AccountOf(owner)}, p.keys...), Rows: len(p.keys)}
}

// Judge implements commit.Unit. What changed since the rows were looked for is left
// alone: a record may have been written again, or another instance was faster.
func (p *purge) Judge(rows *commit.Rows) error {
	p.purged = 0
	owner := row.AccountOf(p.keys[0].Owner)
	account, ok := rows.Get(owner).(row.Account)
	before := account
	for _, key := range p.keys {
		switch r := rows.Get(key).(type) {
		case *record.Stored:
			if !r.Deleted || int64(r.Revision) > p.floor {
				continue
			}
			if account.Shows(r) {
				account.Tombstones--
			}
		case *row.Mutation:
			if r.AppliedAt >= p.kept.UnixMicro() {
				continue
			}
			if account.Knows(r) {
				account.MutationBytes -= r.Size(key.ID)
			}
		default:
			continue
		}
		rows.Put(key, nil)
		p.purged++
	}
	// Instances of the version before did not count.
	account.Tombstones, account.MutationBytes = max(account.Tombstones, 0), max(account.MutationBytes, 0)
	account.Floor = max(account.Floor, p.floor)
	if ok && account != before {
		rows.Put(owner, account)
	}
	return nil
}
