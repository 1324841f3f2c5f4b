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
		r := &recovering{connections: l.most()}
		defer r.stop()
		if err := r.start(ctx, l.Builder); err != nil {
			return err
		}
		for _, inTheRun := range []bool{false, true} {
			contenders, err := r.contenders(ctx, inTheRun)
			if err != nil {
				return err
			}
			name := fmt.Sprintf("SQLite, HTTP, connections: %d, %s", l.most(), signed(inTheRun))
			if err := l.race(ctx, "recovery", name, contenders); err != nil {
				return err
			}
		}
		return nil
	},
}

func signed(inTheRun bool) string {
	if inTheRun {
		return "signed in the run"
	}
	return "signed before the run"
}

// recovering are the services that recover keys in different ways.
type recovering struct {
	connections int
	plain       *servers.Service
	synclines   []named
}

func (r *recovering) start(ctx context.Context, b *servers.Builder) (err error) {
	if r.plain, err = b.Start(ctx, servers.Spec{Program: servers.Plain}); err != nil {
		return err
	}
	sqlite := servers.Deployment{Instances: 1}
	for _, way := range []struct {
		named
		spec servers.Spec
	}{
		{named{name: nowName}, servers.Spec{Program: servers.Now}},
		{named{name: "Syncline, decred's recovery", yardstick: "decred"}, servers.Spec{Program: servers.Now, Env: []string{"SIGNATURE_RECOVERY=decred"}}},
		{named{name: "Syncline, signatures off"}, servers.Spec{Program: servers.Unsigned}},
	} {
		way.spec.Deployment = sqlite
		if way.service, err = b.Start(ctx, way.spec); err != nil {
			return err
		}
		r.synclines = append(r.synclines, way.named)
	}
	return nil
}

// contenders write with their requests signed before the run, or in it.
func (r *recovering) contenders(ctx context.Context, inTheRun bool) ([]contender, error) {
	prepare := plainWrites
	if inTheRun {
		prepare = signingInTheRun
	}
	yardstick, err := prepare(r.plain, r.connections)
	if err != nil {
		return nil, err
	}
	contenders := []contender{yardstick}
	for _, s := range r.synclines {
		c, err := writing{}.on(ctx, s, r.connections)
		if err != nil {
			return nil, err
		}
		if inTheRun {
			c.prepare = nil
		}
		contenders = append(contenders, c)
	}
	return contenders, nil
}

func (r *recovering) stop() {
	if r.plain != nil {
		r.plain.Stop()
	}
	for _, s := range r.synclines {
		s.service.Stop()
	}
}
