package row

import (
	"slices"
	"time"

	"syncline/record"
	"syncline/storage/commit"
)

// Columns has places for the columns of a table's rows, after those of the key, in the order in
// which both dialects select them; value makes the value of a row of what was scanned there. The
// places are *int64, *bool, *string and *[]byte, and of Clock *time.Time.
func Columns(table commit.Table) (places []any, value func(id string) any) {
	switch table {
	case Epochs:
		var e Epoch
		var name []byte
		return []any{&name, &e.Base}, func(string) any { copy(e.Name[:], name); return e }
	case Accounts:
		var a Account
		return []any{
			&a.Head, &a.Floor, &a.RecordCount, &a.StoredBytes, &a.FenceToken, &a.CreatedAt, &a.Tombstones, &a.Fences,
			&a.MutationBytes, &a.Erased, &a.Holders, &a.Forgotten, &a.QuotaRecords, &a.QuotaBytes,
		}, func(string) any { return a }
	case Records:
		var r record.Stored
		var updatedAt int64
		return []any{(*int64)(&r.Revision), &r.Deleted, &r.SchemaVersion, &r.ClientID, &updatedAt, &r.DataBytes}, func(id string) any {
			found := r
			found.ID, found.UpdatedAt = id, time.UnixMicro(updatedAt).UTC()
			return &found
		}
	case Data:
		var data []byte
		return []any{&data}, func(string) any { return data }
	case Mutations:
		var m Mutation
		return []any{&m.Digest, &m.Revisions, &m.Head, &m.AppliedAt}, func(string) any { found := m; return &found }
	case Fences:
		var f Fence
		return []any{&f.Token, &f.UsedAt}, func(string) any { return f }
	case Clock:
		var now time.Time
		return []any{&now}, func(string) any { return now.UTC() }
	case Holds:
		var h Hold
		return []any{&h.InstanceID, &h.Exclusive, &h.Token, &h.ExpiresAt}, func(string) any { return []Hold{h} }
	default: // Nonces, Erasures
		var n int64
		return []any{&n}, func(string) any { return n }
	}
}

// Changed is what changes of one table delete and what they store: for each row the arguments of
// both dialects' statements. What is deleted goes first: a nonce that is renewed is in both.
func Changed(changes []commit.Change) (deleted, stored [][]any) {
	stored = make([][]any, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		owner, id := c.Key.Owner[:], c.Key.ID
		switch after := c.After.(type) {
		case Account:
			stored = append(stored, []any{
				owner, after.Head, after.Floor, after.RecordCount, after.StoredBytes, after.FenceToken, after.CreatedAt,
				after.Tombstones, after.Fences, after.MutationBytes, after.Erased, after.Holders, after.Forgotten,
			})
		case *record.Stored:
			stored = append(stored, []any{owner, id, int64(after.Revision), after.Deleted, after.SchemaVersion, after.ClientID, after.UpdatedAt.UnixMicro(), after.Data})
		case *Mutation:
			stored = append(stored, []any{owner, id, after.Digest, after.Revisions, after.Head, after.AppliedAt})
		case Fence:
			stored = append(stored, []any{owner, id, after.Token, after.UsedAt})
		default:
			switch c.Key.Table {
			case Holds:
				dropped, kept := holdsChanged(c)
				deleted, stored = append(deleted, dropped...), append(stored, kept...)
			case Nonces: // deleted only as it was read: see postgres
				if c.Before != nil {
					deleted = append(deleted, []any{owner, []byte(id), c.Before})
				}
				if after != nil {
					stored = append(stored, []any{owner, []byte(id), after})
				}
			default:
				if after == nil {
					deleted = append(deleted, []any{owner, id})
				} else { // Erasures
					stored = append(stored, []any{owner, after})
				}
			}
		}
	}
	return deleted, stored
}

func holdsChanged(c *commit.Change) (deleted, stored [][]any) {
	before, _ := c.Before.([]Hold)
	after, _ := c.After.([]Hold)
	for _, h := range after {
		if !slices.Contains(before, h) {
			stored = append(stored, []any{c.Key.Owner[:], c.Key.ID, h.InstanceID, h.Exclusive, h.Token, h.ExpiresAt})
		}
	}
	for _, hold := range before {
		if !slices.ContainsFunc(after, func(h Hold) bool { return h.InstanceID == hold.InstanceID }) {
			deleted = append(deleted, []any{c.Key.Owner[:], c.Key.ID, hold.InstanceID})
		}
	}
	return deleted, stored
}
