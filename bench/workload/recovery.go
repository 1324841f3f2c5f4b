package workload

import (
	"context"
	"fmt"

	"syncline/bench/servers"
)

// recovery tells what signatures cost.
var recovery = Workload{
	Name:     "recovery",
	About:    "writes with keys recovered by own arithmetic, by decred's, and not at all",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		sqlite := servers.Deployment{Instances: 1}
		var services []*servers.Service
		defer func() {
			for _, s := range services {
				s.Stop()
			}
		}()
		start := func(spec servers.Spec) (*servers.Service, error) {
			s, err := l.Builder.Start(ctx, spec)
			if err == nil {
				services = append(services, s)
			}
			return s, err
		}
		yardstick, err := start(servers.Spec{Program: servers.Plain})
		if err != nil {
			return err
		}
		first, err := plainWrites(yardstick, l.most())
		if err != nil {
			return err
		}
		contenders := []contender{first}
		for _, v := range []struct {
			named
			spec servers.Spec
		}{
			{named{name: nowName}, servers.Spec{Program: servers.Now, Deployment: sqlite}},
			{named{name: "Syncline, decred's recovery", yardstick: "decred"}, servers.Spec{Program: servers.Now, Deployment: sqlite, Env: []string{"SIGNATURE_RECOVERY=decred"}}},
			{named{name: "Syncline, signatures off"}, servers.Spec{Program: servers.Unsigned, Deployment: sqlite}},
		} {
			if v.service, err = start(v.spec); err != nil {
				return err
			}
			c, err := writing{}.on(ctx, v.named, l.most())
			if err != nil {
				return err
			}
			contenders = append(contenders, c)
		}
		return l.race(ctx, "recovery", fmt.Sprintf("SQLite, HTTP, an owner each, %d connections", l.most()), contenders)
	},
}
