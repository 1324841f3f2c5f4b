package workload

import (
	"context"
	"fmt"
	"time"

	"syncline/bench/load"
	"syncline/bench/servers"
)

// generator measures the load generator itself, against the yardstick.
var generator = Workload{
	Name:     "generator",
	About:    "what a request costs the load generator, signed before the run and in it",
	Headline: clientFigure,
	Run: func(ctx context.Context, l *Lab) error {
		service, err := l.Builder.Start(ctx, servers.Spec{Program: servers.Plain})
		if err != nil {
			return err
		}
		defer service.Stop()
		before, err := plainWrites(service, l.most())
		if err != nil {
			return err
		}
		before.name, before.yardstick = signed(false), ""
		during, err := signingInTheRun(service, l.most())
		if err != nil {
			return err
		}
		during.name, during.yardstick = signed(true), ""
		return l.race(ctx, "generator", fmt.Sprintf("plain net/http, %d connections", l.most()), []contender{before, during})
	},
}

// signingInTheRun is the yardstick of writes with each request made and signed
// when its turn comes.
func signingInTheRun(service *servers.Service, connections int) (contender, error) {
	owners, err := load.NewOwners(connections)
	if err != nil {
		return contender{}, err
	}
	conns := load.NewConns(plainTargets(service, answerSize), connections)
	run := func(ctx context.Context, d time.Duration) load.Outcome {
		return load.Loop(ctx, connections, d, func(ctx context.Context, worker int) (time.Duration, error) {
			req, err := owners[worker].Sign(conns[worker].Endpoint(), load.Set("0-1", load.RandomData(recordSize), 0, ""))
			if err != nil {
				return 0, err
			}
			began := time.Now()
			answer, err := conns[worker].Post(ctx, req)
			if err == nil {
				err = created(answer)
			}
			return time.Since(began), err
		})
	}
	return contender{
		name: plainName, yardstick: "plain", service: service,
		run: run, close: func() { load.CloseAll(conns) },
	}, nil
}
