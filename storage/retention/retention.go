// Package retention forgets what is kept for a time only: tombstones, with the
// floor below which feeds do not know of deletes any more, and mutation ids. Of an
// owner who leaves more of them than his quota allows, it forgets the oldest. It
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

	entsql "entgo.io/ent/dialect/sql"

	"syncline/ent"
	"syncline/ent/appliedmutation"
	entrecord "syncline/ent/record"
	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// What is read at a time, what a unit purges at most, and how many units wait at
// a time: a writer that comes has one transaction of them before it, mostly.
const (
	pageRows = 1000
	unitRows = 50
	maxUnits = 32
)

// Config says what is kept, and for how long.
type Config struct {
	// Tombstones and Mutations are for how long these are kept; 0 is for ever.
	Tombstones, Mutations time.Duration
	// Quota bounds, by its Traces, what owners leave that have no quota of their own.
	Quota record.Quota
}

// Sweeper purges what is older than it is to be kept, and what is more than an
// owner may leave.
type Sweeper struct {
	read   *ent.Client
	engine *commit.Engine
	config Config
	now    func() time.Time
	log    *slog.Logger

	exceeding exceeding
	erased    chan struct{} // holds one request to purge what was erased
}

// New makes a sweeper. read reads the database whose writes engine carries out. now
// is the clock that stamps records.
func New(read *ent.Client, engine *commit.Engine, config Config, now func() time.Time, log *slog.Logger) *Sweeper {
	return &Sweeper{
		read: read, engine: engine, config: config, now: now, log: log,
		exceeding: exceeding{wake: make(chan struct{}, 1), owners: map[record.Owner]struct{}{}},
		erased:    make(chan struct{}, 1),
	}
}

// sweepEvery is how often what is old is looked for. Of mutation ids all are looked
// at, for they have no index by age, so they take longer turns.
const (
	sweepEvery          = time.Hour
	sweepMutationsEvery = 24
)

// Run sweeps at once and then every hour, mutation ids every day, and owners who left
// too much when it is told of them, until ctx ends. It returns ctx's error.
func (s *Sweeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for n := 0; ; {
		swept, err := s.sweep(ctx, n%sweepMutationsEvery == 0)
		s.report(ctx, swept, err)
		n++
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ticker.C:
				due = true
			case <-s.exceeding.wake:
				for _, owner := range s.exceeding.take() {
					swept, err := s.trim(ctx, owner)
					s.report(ctx, swept, err, "owner", owner.Short())
				}
			case <-s.erased:
				if _, err := s.sweepErased(ctx); err != nil && ctx.Err() == nil {
					s.log.WarnContext(ctx, "what was erased, and is seen by nobody, was not removed whole; the next sweep tries again", "error", err)
				}
			}
		}
	}
}

func (s *Sweeper) report(ctx context.Context, swept Swept, err error, more ...any) {
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.WarnContext(ctx, "what is old was not purged whole; the next sweep tries again", append(more, "error", err)...)
	case swept != Swept{}:
		s.log.InfoContext(ctx, "old data purged", append(more, "tombstones", swept.Tombstones, "mutation_ids", swept.Mutations, "erased", swept.Erased)...)
	}
}

// Swept is how much a sweep purged.
type Swept struct {
	Tombstones, Mutations int
	Erased                int // records and mutation ids
}

func (s *Swept) add(other Swept) {
	s.Tombstones += other.Tombstones
	s.Mutations += other.Mutations
}

// Sweep purges all that is too old now, and of owners who left too much, the oldest.
// What cannot be purged does not keep the rest from being purged. With an error, Swept
// is what was purged all the same.
func (s *Sweeper) Sweep(ctx context.Context) (Swept, error) { return s.sweep(ctx, true) }

func (s *Sweeper) sweep(ctx context.Context, mutations bool) (swept Swept, err error) {
	if swept.Erased, err = s.sweepErased(ctx); err != nil {
		err = fmt.Errorf("remove what was erased: %w", err)
	}
	if s.config.Tombstones > 0 {
		var failed error
		if swept.Tombstones, failed = s.purgeTombstones(ctx, span{before: s.now().Add(-s.config.Tombstones)}); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge tombstones: %w", failed))
		}
	}
	if s.config.Mutations > 0 && mutations {
		var failed error
		if swept.Mutations, failed = s.purgeMutations(ctx, span{before: s.now().Add(-s.config.Mutations)}); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge mutation ids: %w", failed))
		}
	}
	trimmed, failed := s.trimAll(ctx)
	swept.add(trimmed)
	return swept, errors.Join(err, failed)
}

// span says which rows to purge: of one owner or, without, of all; those from
// before a time; of tombstones at most so many, unless that is 0.
type span struct {
	owner  []byte
	before time.Time
	most   int
}

// after are the rows that follow a key of two columns, of which both databases find the
// first by the index.
func after(ownerColumn, column string, owner []byte, value any) func(*entsql.Selector) {
	return func(s *entsql.Selector) {
		s.Where(entsql.P(func(b *entsql.Builder) {
			b.Wrap(func(b *entsql.Builder) { b.IdentComma(s.C(ownerColumn), s.C(column)) })
			b.WriteString(" > ")
			b.Wrap(func(b *entsql.Builder) { b.Args(owner, value) })
		}))
	}
}

// purgeTombstones walks through the tombstones in order of owner and revision.
// Those of an owner are purged from the lowest revision up to the first one that
// is to be kept, so that none is left below the floor.
func (s *Sweeper) purgeTombstones(ctx context.Context, of span) (purged int, err error) {
	owner, revision := of.owner, int64(0) // where the walk is
	if owner == nil {
		owner = []byte{}
	}
	left := of.most
	var firstFailed error
	for {
		query := s.read.Record.Query().
			Where(entrecord.Deleted(true), after(entrecord.FieldOwner, entrecord.FieldRevision, owner, revision)).
			Order(ent.Asc(entrecord.FieldOwner, entrecord.FieldRevision)).
			Limit(pageRows)
		if of.owner != nil {
			query = query.Where(entrecord.Owner(of.owner))
		}
		page, err := query.Select(entrecord.FieldOwner, entrecord.FieldID, entrecord.FieldRevision, entrecord.FieldUpdatedAt).All(ctx)
		if err != nil {
			return purged, errors.Join(firstFailed, err)
		}
		done := len(page) < pageRows
		if of.most > 0 {
			page = page[:min(len(page), left)]
			left -= len(page)
			done = done || left == 0
		}
		var units []*purge
		for _, r := range page {
			if revision == math.MaxInt64 && bytes.Equal(r.Owner, owner) {
				continue // an earlier one of this owner is to be kept
			}
			owner, revision = r.Owner, r.Revision
			if r.UpdatedAt >= of.before.UnixMicro() {
				revision = math.MaxInt64
				continue
			}
			units = add(units, row.Records, r.Owner, r.ID)
			units[len(units)-1].floor = r.Revision
		}
		n, goOn, failed := s.carryOut(ctx, units)
		purged += n
		firstFailed = cmp.Or(firstFailed, failed)
		if !goOn || done {
			return purged, firstFailed
		}
	}
}

func (s *Sweeper) purgeMutations(ctx context.Context, of span) (purged int, err error) {
	owner, id := of.owner, "" // where the walk is
	if owner == nil {
		owner = []byte{}
	}
	var firstFailed error
	for {
		query := s.read.AppliedMutation.Query().
			Where(appliedmutation.AppliedAtLT(of.before.UnixMicro()), after(appliedmutation.FieldOwner, appliedmutation.FieldID, owner, id)).
			Order(ent.Asc(appliedmutation.FieldOwner, appliedmutation.FieldID)).
			Limit(pageRows)
		if of.owner != nil {
			query = query.Where(appliedmutation.Owner(of.owner))
		}
		page, err := query.Select(appliedmutation.FieldOwner, appliedmutation.FieldID).All(ctx)
		if err != nil {
			return purged, errors.Join(firstFailed, err)
		}
		var units []*purge
		for _, m := range page {
			owner, id = m.Owner, m.ID
			units = add(units, row.Mutations, m.Owner, m.ID)
			units[len(units)-1].kept = of.before
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
