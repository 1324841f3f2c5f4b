package records

import (
	"context"
	"fmt"
	"slices"

	"syncline/ent/account"
	"syncline/record"
)

// AskToPull counts once more that an owner's clients are to pull again. For who never wrote
// nothing is counted.
func (s *Store) AskToPull(ctx context.Context, owner record.Owner) error {
	err := s.reading(ctx, func(ctx context.Context) error {
		return s.write.Account.Update().Where(account.ID(owner[:])).AddPulls(1).Exec(ctx)
	})
	if err != nil {
		return fmt.Errorf("count a pull: %w", err)
	}
	return nil
}

// AskedToPull reads how often that was, of many owners in one query. An owner who never wrote
// may be missing.
func (s *Store) AskedToPull(ctx context.Context, owners []record.Owner) (map[record.Owner]int64, error) {
	asked := make(map[record.Owner]int64, len(owners))
	for some := range slices.Chunk(owners, maxParameters) {
		err := s.reading(ctx, func(ctx context.Context) error {
			rows, err := s.read.Account.Query().Where(account.IDIn(keysOf(some)...)).Select(account.FieldID, account.FieldPulls).All(ctx)
			for _, row := range rows {
				asked[record.Owner(row.ID)] = row.Pulls
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the pulls: %w", err)
		}
	}
	return asked, nil
}
