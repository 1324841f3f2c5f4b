// Package retention forgets what is kept for a time only: tombstones, with the
// floor below which feeds do not know of deletes any more, mutation ids, holds of
// locks that ended, and fences of locks that nobody uses any more. Of an
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
	// Tombstones and Mutations are for how long these are kept; 0 is for ever. Fences
	// are kept as long as tombstones.
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

	onPurge   func(Swept)
	onErased  func(removed int)
	exceeding exceeding
	erased    chan struct{} // holds one request to purge what was erased
	inUse     inUse
}

// New makes a sweeper. read reads the database whose writes engine carries out. now
// is the clock that stamps records.
func New(read *ent.Client, engine *commit.Engine, config Config, now func() time.Time, log *slog.Logger) *Sweeper {
	return &Sweeper{
		read: read, engine: engine, config: config, now: now, log: log, onPurge: func(Swept) {}, onErased: func(int) {},
		exceeding: exceeding{wake: make(chan struct{}, 1), owners: map[record.Owner]struct{}{}},
		erased:    make(chan struct{}, 1),
		inUse:     inUse{until: map[record.Owner]time.Time{}},
	}
}

// OnPurge has f called with what Run has purged, some of which a sweep that failed may have. It is
// called before Run.
func (s *Sweeper) OnPurge(f func(Swept)) { s.onPurge = f }

// OnErased has f called while what was erased is removed, with how many rows that were in each
// step. It is called before the sweep.
func (s *Sweeper) OnErased(f func(removed int)) { s.onErased = f }

// sweepEvery is how often what is old is looked for. Of mutation ids and fences all are
// looked at, for they have no index by age, so they take longer turns.
const (
	sweepEvery    = time.Hour
	sweepAllEvery = 24
)

// Run sweeps at once and then every hour, mutation ids and fences every day, and owners
// who left too much when it is told of them, until ctx ends. It returns ctx's error.
func (s *Sweeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for n := 0; ; {
		swept, err := s.sweep(ctx, n%sweepAllEvery == 0)
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
				erased, err := s.sweepErased(ctx)
				s.onPurge(Swept{Erased: erased})
				if err != nil && ctx.Err() == nil {
					s.log.WarnContext(ctx, "what was erased, and is seen by nobody, was not removed whole; the next sweep tries again", "error", err)
				}
			}
		}
	}
}

func (s *Sweeper) report(ctx context.Context, swept Swept, err error, more ...any) {
	s.onPurge(swept)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.WarnContext(ctx, "what is old was not purged whole; the next sweep tries again", append(more, "error", err)...)
	case swept != Swept{}:
		s.log.InfoContext(ctx, "old data purged", append(more, "tombstones", swept.Tombstones, "mutation_ids", swept.Mutations,
			"holds", swept.Holds, "fences", swept.Fences, "erased", swept.Erased)...)
	}
}

// Swept is how much a sweep purged.
type Swept struct {
	Tombstones, Mutations int
	Holds, Fences         int // locks whose ended holds, and whose fences
	Erased                int // records and mutation ids
}

func (s *Swept) add(other Swept) {
	s.Tombstones += other.Tombstones
	s.Mutations += other.Mutations
	s.Holds += other.Holds
	s.Fences += other.Fences
}

// Sweep purges all that is too old now, and of owners who left too much, the oldest.
// What cannot be purged does not keep the rest from being purged. With an error, Swept
// is what was purged all the same.
func (s *Sweeper) Sweep(ctx context.Context) (Swept, error) { return s.sweep(ctx, true) }

func (s *Sweeper) sweep(ctx context.Context, all bool) (swept Swept, err error) {
	var failed error
	if swept.Erased, err = s.sweepErased(ctx); err != nil {
		err = fmt.Errorf("remove what was erased: %w", err)
	}
	if s.config.Tombstones > 0 {
		if swept.Tombstones, failed = s.purgeTombstones(ctx, span{before: s.now().Add(-s.config.Tombstones)}); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge tombstones: %w", failed))
		}
	}
	if s.config.Mutations > 0 && all {
		if swept.Mutations, failed = s.purgeMutations(ctx, span{before: s.now().Add(-s.config.Mutations)}); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge mutation ids: %w", failed))
		}
	}
	if swept.Holds, failed = s.purgeHolds(ctx, nil); failed != nil {
		err = errors.Join(err, fmt.Errorf("purge holds of locks: %w", failed))
	}
	if s.config.Tombstones > 0 && all {
		if swept.Fences, failed = s.purgeFences(ctx, s.config.Tombstones); failed != nil {
			err = errors.Join(err, fmt.Errorf("purge fences: %w", failed))
		}
	}
	trimmed, failed := s.trimAll(ctx)
	swept.add(trimmed)
	return swept, errors.Join(err, failed)
}

// span says which rows to purge: of one owner or, without, of all; those from
// before a time; until the owner has no more than target of them, unless that is 0.
type span struct {
	owner  []byte
	before time.Time
	target int64 // tombstones, or bytes of mutation ids
}

// after are the rows that follow a key of the owner and another column, of which both
// databases find the first by the index.
func after(column string, owner []byte, value any) func(*entsql.Selector) {
	return func(s *entsql.Selector) {
		s.Where(entsql.P(func(b *entsql.Builder) {
			b.Wrap(func(b *entsql.Builder) { b.IdentComma(s.C(entrecord.FieldOwner), s.C(column)) })
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
	var firstFailed error
	for {
		query := s.read.Record.Query().
			Where(entrecord.Deleted(true), after(entrecord.FieldRevision, owner, revision)).
			Order(ent.Asc(entrecord.FieldOwner, entrecord.FieldRevision)).
			Limit(pageRows)
		if of.owner != nil {
			query = query.Where(entrecord.Owner(of.owner))
		}
		page, err := query.Select(entrecord.FieldOwner, entrecord.FieldID, entrecord.FieldRevision, entrecord.FieldUpdatedAt).All(ctx)
		if err != nil {
			return purged, errors.Join(firstFailed, err)
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
			u := add(&units, row.Records, r.Owner, r.ID)
			u.floor, u.target = r.Revision, of.target
		}
		n, goOn, failed := s.carryOut(ctx, units)
		purged += n
		firstFailed = cmp.Or(firstFailed, failed)
		if !goOn || len(page) < pageRows {
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
			Where(appliedmutation.AppliedAtLT(of.before.UnixMicro()), after(appliedmutation.FieldID, owner, id)).
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
			u := add(&units, row.Mutations, m.Owner, m.ID)
			u.kept, u.target = of.before, of.target
		}
		n, goOn, failed := s.carryOut(ctx, units)
		purged += n
		firstFailed = cmp.Or(firstFailed, failed)
		if !goOn || len(page) < pageRows {
			return purged, firstFailed
		}
	}
}
