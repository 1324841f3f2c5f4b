package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"syncline/bench/servers"
)

// slowDisk is writes on a disk whose syncs take longer.
var slowDisk = Workload{
	Name:     "slowdisk",
	About:    "writes where each sync to disk takes longer",
	Headline: rateFigure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if !basic(d) {
				continue
			}
			if err := l.slowDiskOn(ctx, d); err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		return nil
	},
}

func (l *Lab) slowDiskOn(ctx context.Context, d servers.Deployment) error {
	for _, delay := range l.Size.SyncDelays {
		err := func() error {
			plain, err := l.Builder.Start(ctx, servers.Spec{Program: servers.Plain})
			if err != nil {
				return err
			}
			defer plain.Stop()
			f := &field{plain: plain}
			defer f.stop()
			spec := servers.Spec{Program: servers.Now, Deployment: d, SyncDelay: delay}
			if f.now, err = l.Builder.Start(ctx, spec); err != nil {
				return err
			}
			spec.Program = servers.Before
			if f.before, err = l.Builder.Start(ctx, spec); err != nil && !errors.Is(err, servers.ErrNoBaseline) {
				return err
			}
			contenders, err := f.writing(ctx, writing{}, l.most())
			if err != nil {
				return err
			}
			return l.race(ctx, "slowdisk", fmt.Sprintf("%s, %d connections, syncs %s", d, l.most(), slower(delay)), contenders)
		}()
		if err != nil {
			return fmt.Errorf("%s: %w", delay, err)
		}
	}
	return nil
}

func slower(delay time.Duration) string {
	if delay == 0 {
		return "as they are"
	}
	return delay.String() + " slower"
}
