package postgres

import (
	"github.com/jackc/pgx/v5"

	"syncline/storage/commit"
	"syncline/storage/row"
)

// table is how the rows of one commit.Table are read and written.
type table struct {
	read   string // selects owner, id and row.Columns of the rows of $1, owners, and $2, ids; empty: nothing is read
	insert string // of what row.Changed says, a column each
	remove string
}

var tables = [...]*table{
	row.Epochs:    &epochs,
	row.Accounts:  &accounts,
	row.Records:   &records,
	row.Data:      &data,
	row.Mutations: &mutations,
	row.Fences:    &fences,
	row.Clock:     &clock,
	row.Holds:     &holds,
	row.Nonces:    &nonces,

	row.Erasures:      &erasures,
	row.AllFences:     &allFences,
	row.AllHolders:    &allHolders,
	row.RestoredHeads: &restoredHeads,
}

// LATERAL with LIMIT has PostgreSQL look up one key after the other in the index.
// The arrays stand in sub-selects to hide their lengths: planned for one row, a
// statement would seem so cheap that the plan for any number of rows is passed
// over, and each execution is planned again.
const (
	eachOwner = " FROM unnest((SELECT $1::bytea[])) AS k(owner) CROSS JOIN LATERAL "
	ofKeys    = " USING unnest((SELECT $1::bytea[]), (SELECT $2::text[])) AS k(owner, id) "
	eachKey   = "SELECT k.owner, k.id, r.* FROM unnest((SELECT $1::bytea[]), (SELECT $2::text[])) AS k(owner, id) CROSS JOIN LATERAL "
)

// queueReads asks for the rows of sorted keys, a statement for each table. Those
// of accounts come with their locks.
func queueReads(b *pgx.Batch, keys []commit.Key, found func(commit.Key, any)) {
	for len(keys) > 0 {
		n, of := 1, keys[0].Table
		for n < len(keys) && keys[n].Table == of {
			n++
		}
		if at := tables[of]; at.read != "" {
			rows := make([][]any, n)
			for i := range rows {
				key := &keys[i]
				rows[i] = []any{key.Owner[:], key.ID}
				if of == row.Nonces {
					rows[i][1] = []byte(key.ID)
				}
			}
			args := columns(rows)
			if of == row.Epochs || of == row.Clock {
				args = nil
			}
			b.Queue(at.read, args...).Query(each(of, found))
		}
		keys = keys[n:]
	}
}

// each has found called for the rows of a table, which begin with owner and id.
func each(of commit.Table, found func(commit.Key, any)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var owner, id []byte
		places, value := row.Columns(of)
		joined := map[commit.Key]any{}
		_, err := pgx.ForEachRow(rows, append([]any{&owner, &id}, places...), func() error {
			key := commit.Key{Table: of, ID: string(id)}
			copy(key.Owner[:], owner)
			v := value(key.ID)
			if of == row.Holds {
				v = row.JoinHolds(joined[key], v)
				joined[key] = v
			}
			found(key, v) // of several rows of a key, the last time tells all
			return nil
		})
		return err
	}
}

// columns turns rows into the arrays that unnest takes, of the types of the first row.
func columns(rows [][]any) []any {
	all := make([]any, len(rows[0]))
	for i, first := range rows[0] {
		switch first.(type) {
		case int64:
			all[i] = column[int64](rows, i)
		case string:
			all[i] = column[string](rows, i)
		case bool:
			all[i] = column[bool](rows, i)
		default:
			all[i] = column[[]byte](rows, i)
		}
	}
	return all
}

func column[T any](rows [][]any, i int) []T {
	all := make([]T, len(rows))
	for n := range rows {
		all[n], _ = rows[n][i].(T) // nil is NULL
	}
	return all
}
