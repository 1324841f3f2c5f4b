package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"syncline/ent"
	"syncline/ent/appliedmutation"
	"syncline/ent/erasure"
	entrecord "syncline/ent/record"
	"syncline/record"
	"syncline/storage/commit"
	"syncline/storage/row"
)

// PurgeErased has what was erased removed soon, not with the next sweep. It does not
// wait for it.
func (s *Sweeper) PurgeErased() {
	select {
	case s.erased <- struct{}{}:
	default: // a purge that has not begun does it
	}
}

// sweepErased removes the rows of owners who erased all of their data, which nobody
// sees any more.
func (s *Sweeper) sweepErased(ctx context.Context) (purged int, err error) {
	after := []byte{}
	for {
		page, failed := s.read.Erasure.Query().Where(erasure.IDGT(after)).Order(ent.Asc(erasure.FieldID)).Limit(pageRows).All(ctx)
		if failed != nil {
			return purged, errors.Join(err, fmt.Errorf("list erasures: %w", failed))
		}
		for _, e := range page {
			after = e.ID
			n, failed := s.purgeErased(ctx, commit.Owner(e.ID), e.Erased)
			purged += n
			if failed != nil {
				err = cmp.Or(err, fmt.Errorf("of owner %s: %w", commit.Owner(e.ID).Short(), failed))
			}
			if ctx.Err() != nil {
				return purged, err
			}
		}
		if len(page) < pageRows {
			return purged, err
		}
	}
}

// purgeErased removes an owner's rows up to a revision, and then the note that there
// may be some.
func (s *Sweeper) purgeErased(ctx context.Context, owner commit.Owner, erased int64) (purged int, err error) {
	for after := int64(0); ; {
		page, err := s.read.Record.Query().
			Where(entrecord.Owner(owner[:]), entrecord.RevisionGT(after), entrecord.RevisionLTE(erased)).
			Order(ent.Asc(entrecord.FieldRevision)).
			Limit(pageRows).
			Select(entrecord.FieldID, entrecord.FieldRevision).
			All(ctx)
		if err != nil {
			return purged, fmt.Errorf("find records: %w", err)
		}
		var ids []string
		for _, r := range page {
			ids, after = append(ids, r.ID), r.Revision
		}
		n, err := s.removeErased(ctx, row.Records, owner, ids)
		purged += n
		if err != nil {
			return purged, fmt.Errorf("remove records: %w", err)
		}
		if len(page) < pageRows {
			break
		}
	}
	for after := ""; ; {
		ids, err := s.read.AppliedMutation.Query().
			Where(appliedmutation.Owner(owner[:]), appliedmutation.IDGT(after), appliedmutation.HeadLT(erased)).
			Order(ent.Asc(appliedmutation.FieldID)).
			Limit(pageRows).
			Select(appliedmutation.FieldID).
			Strings(ctx)
		if err != nil {
			return purged, fmt.Errorf("find mutation ids: %w", err)
		}
		n, err := s.removeErased(ctx, row.Mutations, owner, ids)
		purged += n
		if err != nil {
			return purged, fmt.Errorf("remove mutation ids: %w", err)
		}
		if len(ids) < pageRows {
			break
		}
		after = ids[len(ids)-1]
	}
	key := row.ErasureOf(owner)
	plan := commit.Plan{Owner: owner, Reads: []commit.Key{row.AccountOf(owner), key}, Rows: 1}
	err = s.engine.Do(ctx, commit.NewUnit(plan, func(rows *commit.Rows) error {
		if rows.Get(key) == any(erased) { // the owner did not erase again since
			rows.Put(key, nil)
		}
		return nil
	}))
	if err != nil {
		return purged, fmt.Errorf("note that all is removed: %w", err)
	}
	return purged, nil
}

// removeErased stops at the first failure: what is left over keeps its note.
func (s *Sweeper) removeErased(ctx context.Context, table commit.Table, owner commit.Owner, ids []string) (removed int, err error) {
	for len(ids) > 0 {
		var units []*removal
		var waits []func() error
		for len(ids) > 0 && len(units) < maxUnits {
			n := min(len(ids), unitRows)
			unit := &removal{table: table, owner: owner, ids: ids[:n]}
			units, waits, ids = append(units, unit), append(waits, s.engine.Submit(ctx, unit)), ids[n:]
		}
		before := removed
		for i, wait := range waits {
			if failed := wait(); failed != nil {
				err = cmp.Or(err, failed)
			} else {
				removed += units[i].removed
			}
		}
		s.onErased(removed - before)
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// removal is a unit of work that deletes erased rows of one table.
type removal struct {
	table commit.Table
	owner commit.Owner
	ids   []string

	removed int
}

// Plan implements commit.Unit.
func (r *removal) Plan() commit.Plan {
	plan := commit.Plan{Owner: r.owner, Reads: []commit.Key{row.AccountOf(r.owner)}, Rows: len(r.ids)}
	for _, id := range r.ids {
		plan.Reads = append(plan.Reads, commit.Key{Table: r.table, Owner: r.owner, ID: id})
	}
	return plan
}

// Judge implements commit.Unit. What was written again since is left alone.
func (r *removal) Judge(rows *commit.Rows) error {
	r.removed = 0
	account, _ := rows.Get(row.AccountOf(r.owner)).(row.Account)
	for _, id := range r.ids {
		key := commit.Key{Table: r.table, Owner: r.owner, ID: id}
		switch found := rows.Get(key).(type) {
		case *record.Stored:
			if account.Shows(found) {
				continue
			}
		case *row.Mutation:
			if account.Knows(found) {
				continue
			}
		default:
			continue
		}
		rows.Put(key, nil)
		r.removed++
	}
	return nil
}
