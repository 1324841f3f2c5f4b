package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"syncline/bench/load"
	"syncline/bench/report"
	"syncline/bench/servers"
)

// idle tells what silent subscriptions of other owners cost: memory, and the
// writers' time.
var idle = Workload{
	Name:     "idle",
	About:    "memory of idle subscriptions, and what they cost writers of other owners",
	Headline: "kB per subscription",
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if d.Instances > 1 { // memory is looked at in one
				continue
			}
			for _, p := range []named{{name: nowName}, {name: beforeName}} {
				err := l.idleOn(ctx, d, p.name)
				if errors.Is(err, servers.ErrNoBaseline) {
					continue
				}
				if err != nil {
					return fmt.Errorf("%s, %s: %w", p.name, d, err)
				}
			}
		}
		return nil
	},
}

var programs = map[string]servers.Program{nowName: servers.Now, beforeName: servers.Before}

// idleOn compares two services alike, of which one has the subscriptions.
func (l *Lab) idleOn(ctx context.Context, d servers.Deployment, name string) error {
	spec := servers.Spec{Program: programs[name], Deployment: d}
	silent, err := l.Builder.Start(ctx, spec)
	if err != nil {
		return err
	}
	defer silent.Stop()
	crowded, err := l.Builder.Start(ctx, spec)
	if err != nil {
		return err
	}
	defer crowded.Stop()
	title := fmt.Sprintf("%s, %d connections", d, l.middling())
	withIdle := fmt.Sprintf("%s, %d idle", name, l.Size.Idle)
	socks, err := l.crowd(ctx, crowded, l.Report.Row("idle", title, withIdle))
	if err != nil {
		return err
	}
	defer load.CloseAll(socks)
	var contenders []contender
	for _, s := range []named{{name + ", none idle", "none idle", silent}, {name: withIdle, service: crowded}} {
		c, err := writing{}.on(ctx, s, l.middling())
		if err != nil {
			return err
		}
		contenders = append(contenders, c)
	}
	return l.race(ctx, "idle", title, contenders)
}

// crowd opens the subscriptions, of an owner each, and tells what memory one takes.
func (l *Lab) crowd(ctx context.Context, s *servers.Service, row *report.Row) ([]*load.Socket, error) {
	before, err := s.Memory(ctx)
	if err != nil {
		return nil, err
	}
	owners, err := load.NewOwners(l.Size.Idle)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	socks, err := load.FollowAll(ctx, endpoints(s), owners, "")
	if err != nil {
		return nil, err
	}
	l.Say("%s, %s: %d subscriptions in %s", row.Workload, row.Case, len(socks), time.Since(began).Round(time.Millisecond))
	after, err := s.Memory(ctx)
	if err != nil {
		load.CloseAll(socks)
		return nil, err
	}
	row.Add("kB per subscription", float64(after.Resident-before.Resident)/1000/float64(len(socks)))
	row.Add("kB in use per subscription", float64(after.InUse-before.InUse)/1000/float64(len(socks)))
	row.Add("kB of stacks per subscription", float64(after.Stacks-before.Stacks)/1000/float64(len(socks)))
	if err := l.heapProfile(ctx, s, row); err != nil {
		load.CloseAll(socks)
		return nil, err
	}
	return socks, nil
}
