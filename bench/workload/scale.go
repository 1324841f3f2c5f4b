package workload

import (
	"context"
	"fmt"
	"math"
	"time"

	"syncline/bench/load"
	"syncline/bench/model"
	"syncline/bench/servers"
)

// scale measures what the model of larger deployments computes with, and what it says
// of two and three instances.
var scale = Workload{
	Name:     "scale",
	About:    "costs that docs/scale.md computes with, and the model's predictions for 2 and 3 instances on PostgreSQL and Redis",
	Headline: serverFigure,
	Run: func(ctx context.Context, l *Lab) error {
		if err := l.predict(ctx); err != nil {
			return err
		}
		return l.costs(ctx)
	},
}

// mostTogether is how many instances there are at most.
const mostTogether = 3

// allowed is by which part a prediction may differ from what is measured.
const allowed = 0.2

// predict measures writes to one instance, at many connections and at a quarter of them, and to
// two and three, in the same rounds, and compares these with what the model makes of the first:
// by processor time, since a rate also depends on what else the machine does. One round is for
// looking at what works, and compares nothing.
func (l *Lab) predict(ctx context.Context) error {
	many := l.most()
	few := max(many/4, 1)
	var contenders []contender
	add := func(s *servers.Service, name string, connections int) error {
		c, err := writing{}.on(ctx, named{name: name, service: s}, connections)
		if err == nil {
			contenders = append(contenders, l.byParts("writes", c))
		}
		return err
	}
	nameOf := func(instances, connections int) string {
		return fmt.Sprintf("instances: %d, connections: %d", instances, connections)
	}
	for n := range mostTogether {
		s, err := l.Builder.Start(ctx, servers.Spec{Program: servers.Now, Deployment: servers.Deployment{Postgres: true, Redis: true, Instances: n + 1}})
		if err != nil {
			return err
		}
		defer s.Stop()
		if n == 0 {
			if err := add(s, nameOf(1, few), few); err != nil {
				return err
			}
		}
		if err := add(s, nameOf(n+1, many), many); err != nil {
			return err
		}
	}
	if err := l.race(ctx, "scale", "writes", contenders); err != nil {
		return err
	}
	cost := func(name, figure string) float64 { return l.Report.Row("scale", "writes", name).Figure(figure).Median }
	writes := model.FitWrites(float64(few), cost(nameOf(1, few), serverFigure), float64(many), cost(nameOf(1, many), serverFigure))
	for n := 2; n <= mostTogether; n++ {
		each, name := writes.Each(float64(many)/float64(n)), nameOf(n, many)
		row := l.Report.Row("scale", "writes", name)
		of := cost(name, serverFigure) / each
		row.Add("predicted server µs each", each)
		row.Add("of predicted", of)
		if l.Size.Rounds > 1 && math.Abs(of-1) > allowed {
			return fmt.Errorf("%s: a write costs %.2f times the processor time that the model predicts", name, of)
		}
	}
	return nil
}

// byParts adds to a contender's row what each part of the service spent on an operation.
func (l *Lab) byParts(title string, c contender) contender {
	run, warm := c.run, false
	c.run = func(ctx context.Context, d time.Duration) load.Outcome {
		before, err := c.service.CPUOfParts()
		o := run(ctx, d)
		after, failed := c.service.CPUOfParts()
		if warm && err == nil && failed == nil && len(o.Latencies) > 0 {
			l.addParts(title, c.name, before, after, float64(len(o.Latencies)))
		}
		warm = true
		return o
	}
	return c
}

func (l *Lab) addParts(title, subject string, before, after servers.Parts, operations float64) {
	row := l.Report.Row("scale", title, subject)
	each := func(before, after time.Duration) float64 {
		return float64((after - before).Microseconds()) / operations
	}
	row.Add("instance µs each", each(before.Instances, after.Instances))
	row.Add("PostgreSQL µs each", each(before.Postgres, after.Postgres))
	row.Add("Redis µs each", each(before.Redis, after.Redis))
}

// pollsFor is how long heads are compared, in durations of a measurement: it costs little.
const pollsFor = 4

// costs measures what a device costs that connects, gives signs of life, is told of a change,
// and whose owner's head is compared.
func (l *Lab) costs(ctx context.Context) error {
	s, err := l.Builder.Start(ctx, servers.Spec{
		Program: servers.Now, Deployment: servers.Deployment{Postgres: true, Redis: true, Instances: 1},
		Env: []string{"FEED_POLL_INTERVAL=1s"},
	})
	if err != nil {
		return err
	}
	defer s.Stop()
	owners, err := load.NewOwners(l.Size.Storm)
	if err != nil {
		return err
	}
	for range l.Size.Rounds {
		if err := l.costsOnce(ctx, s, owners); err != nil {
			return err
		}
	}
	var told []contender
	for _, subscribers := range []int{1, manyTold} {
		n, err := newNotified(ctx, s, subscribers)
		if err != nil {
			return err
		}
		told = append(told, l.byParts("told", contender{
			name: fmt.Sprintf("devices: %d", subscribers), service: s, prepare: n.prepare, run: n.run, close: n.close,
		}))
	}
	return l.race(ctx, "scale", "told", told)
}

// manyTold is how many devices a write is told to, to be compared with one.
const manyTold = 9

func (l *Lab) costsOnce(ctx context.Context, s *servers.Service, owners []load.Owner) error {
	spent := func(subject string, operations func() (float64, error)) error {
		before, err := s.CPUOfParts()
		if err != nil {
			return err
		}
		n, err := operations()
		if err != nil {
			return fmt.Errorf("%s: %w", subject, err)
		}
		after, err := s.CPUOfParts()
		if err == nil {
			l.addParts("devices", subject, before, after, n)
		}
		return err
	}
	var socks []*load.Socket
	defer func() { load.CloseAll(socks) }()
	err := spent("connects", func() (n float64, err error) {
		socks, err = load.FollowAll(ctx, endpoints(s), owners, "")
		return float64(len(socks)), err
	})
	if err != nil {
		return err
	}
	err = spent("gives a sign of life", func() (float64, error) {
		o := load.Loop(ctx, min(len(socks), l.most()), l.Size.Duration, func(ctx context.Context, worker int) (time.Duration, error) {
			began := time.Now()
			err := socks[worker].Ping(ctx)
			return time.Since(began), err
		})
		if o.Failed() > 0 {
			return 0, fmt.Errorf("%v", o.Failures)
		}
		return float64(len(o.Latencies)), nil
	})
	if err != nil {
		return err
	}
	return spent("has its owner's head compared", func() (float64, error) {
		select {
		case <-time.After(pollsFor * l.Size.Duration):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		return float64(len(owners)) * pollsFor * l.Size.Duration.Seconds(), nil
	})
}
