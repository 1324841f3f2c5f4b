package workload

import (
	"context"
	"strconv"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// locks are taken and released in turn, each by one owner alone.
var locks = Workload{
	Name:     "locks",
	About:    "locks taken and released, each a request",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		return l.onEach(ctx, "locks", "", anyDeployment, func(f *field) ([]contender, error) {
			yardstick, err := plain(f.plain, l.most(), 300, load.Lock("lock-1", "worker-1", true), created)
			if err != nil {
				return nil, err
			}
			owners, err := load.NewOwners(l.most())
			if err != nil {
				return nil, err
			}
			contenders := []contender{yardstick}
			for _, s := range f.synclines() {
				contenders = append(contenders, newAsking(s, l.most(), ownerOf(owners), takeAndRelease(l.most()), nil, load.HasStatus(load.Acquired, load.Released)))
			}
			return contenders, nil
		})
	},
}

func anyDeployment(servers.Deployment) bool { return true }

// takeAndRelease lets each worker take its lock and release it, by turns.
func takeAndRelease(workers int) func(worker int) []byte {
	taken := make([]bool, workers)
	return func(worker int) []byte {
		taken[worker] = !taken[worker]
		return load.Lock("lock-"+strconv.Itoa(worker), "worker-"+strconv.Itoa(worker), taken[worker])
	}
}
