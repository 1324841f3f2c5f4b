package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"syncline/bench/load"
	"syncline/bench/report"
	"syncline/bench/servers"
	"syncline/bench/stats"
)

// The names of contenders, as tables have them.
const (
	plainName  = report.Plain
	nowName    = "Syncline"
	beforeName = "Syncline before"
)

// contender is one who runs in a race.
type contender struct {
	name    string
	service *servers.Service
	// yardstick is what others' ratios to this one are called; empty for none.
	yardstick string
	// records is how many an operation writes, where that is more than one.
	records int
	// prepare makes ready for a run of the load at about this rate; it may be nil.
	prepare func(ctx context.Context, rate float64, d time.Duration) error
	// run puts the load on for a while.
	run func(ctx context.Context, d time.Duration) load.Outcome
	// verify checks, after all runs, that the service has what it said; it may be nil.
	verify func(ctx context.Context) error
	close  func()
}

// race measures contenders by turns, in several rounds, so that all of them see
// the same machine. Ratios are taken within a round.
func (l *Lab) race(ctx context.Context, workload, name string, contenders []contender) error {
	defer func() {
		for _, c := range contenders {
			c.close()
		}
	}()
	rates := make([]float64, len(contenders))
	for i, c := range contenders { // warm caches, and learn what to prepare for
		o, err := l.lap(ctx, c, 0, l.Size.Duration/4)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		rates[i] = 1.5 * o.Rate() // it was cold, and signed as it ran
	}
	for round := range l.Size.Rounds {
		measured := make([]float64, len(contenders))
		for i, c := range contenders {
			row := l.Report.Row(workload, name, c.name)
			rate, err := l.measure(ctx, c, row, rates[i])
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			measured[i], rates[i] = rate, max(rates[i], rate)
		}
		l.compare(workload, name, contenders, measured)
		l.Say("%s, %s, round %d of %d: %s", workload, name, round+1, l.Size.Rounds, perSecond(contenders, measured))
	}
	for _, c := range contenders {
		if c.verify == nil {
			continue
		}
		if err := c.verify(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (l *Lab) lap(ctx context.Context, c contender, rate float64, d time.Duration) (load.Outcome, error) {
	if c.prepare != nil {
		if err := c.prepare(ctx, rate, d); err != nil {
			return load.Outcome{}, err
		}
	}
	o := c.run(ctx, d)
	if len(o.Latencies) == 0 {
		return o, errors.Join(fmt.Errorf("nothing succeeded: %v", o.Failures), ctx.Err())
	}
	return o, ctx.Err()
}

// measure is a lap with all figures.
func (l *Lab) measure(ctx context.Context, c contender, row *report.Row, rate float64) (float64, error) {
	if c.prepare != nil {
		if err := c.prepare(ctx, rate, l.Size.Duration); err != nil {
			return 0, err
		}
		c.prepare = nil
	}
	server, err := c.service.CPU()
	if err != nil {
		return 0, err
	}
	client := ownCPU()
	profile := l.profile(ctx, c.service, row)
	o, err := l.lap(ctx, c, 0, l.Size.Duration)
	if err := errors.Join(err, profile()); err != nil {
		return 0, err
	}
	client = ownCPU() - client
	after, err := c.service.CPU()
	if err != nil {
		return 0, err
	}
	record(row, o, after-server, client)
	if c.records > 1 {
		row.Add(recordsFigure, float64(c.records)*o.Rate())
	}
	return o.Rate(), nil
}

// Names of figures.
const (
	rateFigure    = "per second"
	recordsFigure = "records per second"
	p50Figure     = "p50 ms"
	p99Figure     = "p99 ms"
	serverFigure  = "server µs each"
	clientFigure  = "client µs each"
)

func record(row *report.Row, o load.Outcome, server, client time.Duration) {
	each := func(d time.Duration) float64 {
		return float64(d.Microseconds()) / float64(len(o.Latencies))
	}
	row.Add(rateFigure, o.Rate())
	row.Add(p50Figure, milliseconds(stats.Percentile(o.Latencies, 50)))
	row.Add(p99Figure, milliseconds(stats.Percentile(o.Latencies, 99)))
	row.Add(serverFigure, each(server))
	row.Add(clientFigure, each(client))
	row.Fail(o.Failures)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// compare adds the ratios of a round.
func (l *Lab) compare(workload, name string, contenders []contender, rates []float64) {
	for j, other := range contenders {
		if other.yardstick == "" {
			continue
		}
		for i, c := range contenders {
			if i != j {
				l.Report.Row(workload, name, c.name).Add("of "+other.yardstick, rates[i]/rates[j])
			}
		}
	}
}

func perSecond(contenders []contender, rates []float64) string {
	var parts []string
	for i, c := range contenders {
		parts = append(parts, fmt.Sprintf("%s %.0f/s", c.name, rates[i]))
	}
	return strings.Join(parts, ", ")
}

// ownCPU is the processor time that this process, the load generator, has spent.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
