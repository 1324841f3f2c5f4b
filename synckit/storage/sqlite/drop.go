package sqlite

import "context"

// Drop implements synckit.Dropper. Of an event that is dropped the row stays, with its ID and its
// clock.
func (s *Store) Drop(ctx context.Context, aggregateID string, ids []string) error {
	return s.do(ctx, "drop", func() error {
		tx, err := s.write.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit it fails, else the connection is lost with its transaction
		drop, err := tx.PrepareContext(ctx, s.statements.drop)
		if err != nil {
			return err
		}
		defer drop.Close() //nolint:errcheck // it ends with the transaction
		for _, id := range ids {
			if _, err := drop.ExecContext(ctx, id, aggregateID); err != nil {
				return err
			}
		}
		return tx.Commit()
	})
}
