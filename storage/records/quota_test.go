package records_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"syncline/internal/testservers"
	"syncline/record"
	"syncline/storage"
)

// However many write at once, through whatever instance, an owner gets as much as
// the quota says, and not one record more.
func TestAQuotaIsNeverExceeded(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgres(t)
	for _, db := range []*storage.DB{testservers.SQLite(t), server.Open(t)} {
		quota := record.Quota{Records: 25, Bytes: 1000}
		stores := []record.Store{newStore(db), newStore(db)} // as two processes have them
		var wg sync.WaitGroup
		var written, refused atomic.Int64
		for n := range 60 {
			wg.Go(func() {
				request := set(fmt.Sprint(n), 10)
				request.Quota = quota
				_, err := stores[n%2].Write(t.Context(), owner, request)
				if _, exceeded := errors.AsType[*record.QuotaExceededError](err); exceeded {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				} else {
					written.Add(1)
				}
			})
		}
		wg.Wait()
		a, err := stores[0].Account(t.Context(), owner)
		if err != nil || a.RecordCount != 25 || a.Head != 25 || written.Load() != 25 || refused.Load() != 35 {
			t.Errorf("%s: %+v, %v; %d written, %d refused", db.Dialect, a, err, written.Load(), refused.Load())
		}
	}
}
