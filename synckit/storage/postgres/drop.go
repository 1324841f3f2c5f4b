package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Drop implements synckit.Dropper. Of an event that is dropped the row stays, with its ID and its
// clock.
func (s *Store) Drop(ctx context.Context, aggregateID string, ids []string) error {
	named := make([][]byte, len(ids))
	for i, id := range ids {
		named[i] = []byte(id)
	}
	return s.do(ctx, "drop", func() error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var latest, micros int64 // locked as a commit does, so that none decides by what is dropped meanwhile
			if err := tx.QueryRow(ctx, s.statements.lock).Scan(&latest, &micros); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, s.statements.drop, []byte(aggregateID), named, latest)
			return err
		})
	})
}
