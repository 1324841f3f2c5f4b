package locker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"syncline/locks"
)

// Requests of one owner take turns in the order in which they came, but for one
// that ended, and nothing is kept of owners who have none.
func TestTurnsAreTakenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			owner locks.Owner
			order []int
		)
		turns := newTurns()
		first := turns.join(owner)
		if err := first.enter(t.Context(), t.Context()); err != nil {
			t.Fatal(err)
		}
		ending, end := context.WithCancel(t.Context())
		for n := range 10 {
			go func() {
				turn := turns.join(owner)
				defer turns.part(owner)
				ctx := t.Context()
				if n == 5 {
					ctx = ending
				}
				if err := turn.enter(ctx, t.Context()); err != nil {
					if n != 5 || !errors.Is(err, context.Canceled) {
						t.Errorf("number %d: %v", n, err)
					}
					return
				}
				defer turn.leave()
				order = append(order, n)
			}()
			synctest.Wait() // until it waits
		}
		end()
		synctest.Wait()
		first.leave()
		turns.part(owner)
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 4, 6, 7, 8, 9}; !slices.Equal(order, want) {
			t.Errorf("turns %v, want %v", order, want)
		}
		if len(turns.owners) > 0 {
			t.Errorf("%d owners are kept", len(turns.owners))
		}
	})
}
