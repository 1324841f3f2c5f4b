package workload

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"syncline/bench/load"
	"syncline/bench/report"
	"syncline/bench/servers"
	"syncline/bench/stats"
)

// growth tells how costs grow with what is there already.
var growth = Workload{
	Name:     "growth",
	About:    "costs by records of an owner, by owners and by live feeds, with the exponent",
	Headline: p50Figure,
	Run: func(ctx context.Context, l *Lab) error {
		for _, d := range l.Deployments {
			if !basic(d) {
				continue
			}
			for _, grow := range []func(context.Context, servers.Deployment) error{l.growRecords, l.growOwners, l.growFeeds} {
				if err := grow(ctx, d); err != nil {
					return fmt.Errorf("%s: %w", d, err)
				}
			}
		}
		return nil
	},
}

// smallSize keeps a million records on any disk.
const smallSize = 64

// cost is one quantity that is measured at each size.
type cost struct {
	name string
	body func() []byte
	as   load.Owner
}

// probe measures costs at one size: one request at a time, so that what is seen
// is the work and not the waiting. It adds the medians to the curves.
func (l *Lab) probe(ctx context.Context, s *servers.Service, curves map[string]*report.Curve, size int, costs []cost) error {
	for _, c := range costs {
		o := load.Outcome{}
		var medians []float64
		asked := newAsking(named{service: s}, 1, func(int) load.Owner { return c.as },
			func(int) []byte { return c.body() }, nil, load.Contains(`"data":{`))
		for range l.Size.Rounds {
			if err := asked.prepare(ctx, 500, l.Size.Duration/4); err != nil {
				return err
			}
			o = asked.run(ctx, l.Size.Duration/4)
			if o.Failed() > 0 || len(o.Latencies) == 0 {
				asked.close()
				return fmt.Errorf("%s at %d: %v", c.name, size, o.Failures)
			}
			medians = append(medians, milliseconds(stats.Percentile(o.Latencies, 50)))
		}
		asked.close()
		curve := curves[c.name]
		curve.Sizes = append(curve.Sizes, float64(size))
		curve.Costs = append(curve.Costs, stats.Summarize(medians).Median)
	}
	return nil
}

// curvesOf makes empty curves of costs.
func curvesOf(d servers.Deployment, size string, names ...string) map[string]*report.Curve {
	curves := map[string]*report.Curve{}
	for _, name := range names {
		curves[name] = &report.Curve{Workload: "growth", Name: d.String() + ", " + name, Size: size, Cost: p50Figure}
	}
	return curves
}

func (l *Lab) addCurves(curves map[string]*report.Curve) {
	var names []string
	for name := range curves {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		l.Report.AddCurve(*curves[name])
	}
}

// numbered gives each call another id.
func numbered(prefix string) func() string {
	n := 0
	return func() string {
		n++
		return prefix + strconv.Itoa(n)
	}
}

// growRecords grows the number of one owner's records.
func (l *Lab) growRecords(ctx context.Context, d servers.Deployment) error {
	s, err := l.Builder.Start(ctx, servers.Spec{Program: servers.Now, Deployment: d})
	if err != nil {
		return err
	}
	defer s.Stop()
	owners, err := load.NewOwners(1)
	if err != nil {
		return err
	}
	owner, endpoint := owners[0], endpoints(s)[0]
	curves := curvesOf(d, "records of the owner", "write", "read a record", "first page of 100", "newest 100 changes")
	have := 0
	fresh := numbered("new-")
	for _, size := range l.Size.Records {
		began := time.Now()
		if err := fill(ctx, endpoint, owner, "old-", have, size, smallSize); err != nil {
			return err
		}
		have = size
		l.Say("growth, %s: %d records of an owner, in %s", d, size, time.Since(began).Round(time.Millisecond))
		v, err := view(ctx, endpoint, owner)
		if err != nil {
			return err
		}
		newest := strconv.FormatInt(max(v.Head-100, 1), 10)
		err = l.probe(ctx, s, curves, size, []cost{
			{"read a record", func() []byte { return load.Record("old-" + strconv.Itoa(size/2)) }, owner},
			{"first page of 100", func() []byte { return load.Changes("", 100) }, owner},
			{"newest 100 changes", func() []byte { return load.Changes(newest, 100) }, owner},
			{"write", func() []byte { return load.Set(fresh(), load.RandomData(smallSize), 0, "") }, owner},
		})
		if err != nil {
			return err
		}
	}
	l.addCurves(curves)
	return nil
}

// growOwners grows the number of owners with a record.
func (l *Lab) growOwners(ctx context.Context, d servers.Deployment) error {
	s, err := l.Builder.Start(ctx, servers.Spec{Program: servers.Now, Deployment: d})
	if err != nil {
		return err
	}
	defer s.Stop()
	curves := curvesOf(d, "owners", "write", "read a record")
	have := 0
	fresh := numbered("new-")
	for _, size := range l.Size.Owners {
		began := time.Now()
		owners, err := load.NewOwners(size - have)
		if err != nil {
			return err
		}
		if err := l.introduce(ctx, s, owners); err != nil {
			return err
		}
		have = size
		l.Say("growth, %s: %d owners, in %s", d, size, time.Since(began).Round(time.Millisecond))
		one := owners[len(owners)/2]
		err = l.probe(ctx, s, curves, size, []cost{
			{"read a record", func() []byte { return load.Record("first") }, one},
			{"write", func() []byte { return load.Set(fresh(), load.RandomData(smallSize), 0, "") }, one},
		})
		if err != nil {
			return err
		}
	}
	l.addCurves(curves)
	return nil
}

// introduce lets each owner write a first record.
func (l *Lab) introduce(ctx context.Context, s *servers.Service, owners []load.Owner) error {
	conns := load.NewConns(endpoints(s), l.most())
	defer load.CloseAll(conns)
	errs := make(chan error, len(conns))
	for w := range conns {
		go func() {
			for i := w; i < len(owners); i += len(conns) {
				req, err := owners[i].Sign(conns[w].Endpoint(), load.Set("first", load.RandomData(smallSize), 0, ""))
				if err == nil {
					_, err = conns[w].Post(ctx, req)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var first error
	for range conns {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// growFeeds grows the number of live feeds of other owners.
func (l *Lab) growFeeds(ctx context.Context, d servers.Deployment) error {
	s, err := l.Builder.Start(ctx, servers.Spec{Program: servers.Now, Deployment: d})
	if err != nil {
		return err
	}
	defer s.Stop()
	var socks []*load.Socket
	defer func() { load.CloseAll(socks) }()
	writer, err := load.NewOwners(1)
	if err != nil {
		return err
	}
	curves := curvesOf(d, "live feeds of others", "write")
	fresh := numbered("new-")
	for _, size := range l.Size.Feeds {
		owners, err := load.NewOwners(size - len(socks))
		if err != nil {
			return err
		}
		more, err := load.FollowAll(ctx, endpoints(s), owners, "")
		if err != nil {
			return err
		}
		socks = append(socks, more...)
		l.Say("growth, %s: %d live feeds", d, size)
		err = l.probe(ctx, s, curves, size, []cost{
			{"write", func() []byte { return load.Set(fresh(), load.RandomData(smallSize), 0, "") }, writer[0]},
		})
		if err != nil {
			return err
		}
	}
	l.addCurves(curves)
	return nil
}
