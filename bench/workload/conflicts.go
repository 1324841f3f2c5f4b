package workload

import (
	"context"
	"fmt"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// conflicts are writes at a revision that is not the record's: each answer
// carries the winner.
var conflicts = Workload{
	Name:     "conflicts",
	About:    "writes that are refused because the record has moved on",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		return l.onEach(ctx, "conflicts", "", basic, func(f *field) ([]contender, error) {
			yardstick, err := plainWrites(f.plain, l.most())
			if err != nil {
				return nil, err
			}
			owners, err := load.NewOwners(l.most())
			if err != nil {
				return nil, err
			}
			write := load.Set("contended", load.RandomData(recordSize), 0, "")
			contenders := []contender{yardstick}
			for _, s := range f.synclines() {
				for _, owner := range owners {
					if answer, err := call(ctx, endpoints(s.service)[0], owner, write); err != nil {
						return nil, err
					} else if err := created(answer); err != nil {
						return nil, err
					}
				}
				again := func(int) []byte { return write }
				contenders = append(contenders, newAsking(s, l.most(), ownerOf(owners), again, nil, load.HasStatus(load.Conflict)))
			}
			return contenders, nil
		})
	},
}

// onEach runs a race of HTTP requests at the most connections on each deployment
// that is wanted. what, which may be empty, tells it from others of the workload.
func (l *Lab) onEach(ctx context.Context, workload, what string, wanted func(servers.Deployment) bool, contenders func(*field) ([]contender, error)) error {
	for _, d := range l.Deployments {
		if !wanted(d) {
			continue
		}
		err := func() error {
			f, err := l.start(ctx, d, false)
			if err != nil {
				return err
			}
			defer f.stop()
			cs, err := contenders(f)
			if err != nil {
				return err
			}
			name := fmt.Sprintf("%s, %d connections", d, l.most())
			if what != "" {
				name += ", " + what
			}
			return l.race(ctx, workload, name, cs)
		}()
		if err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	return nil
}
