package model

import (
	"fmt"

	"syncline/bench/report"
)

// Cost is the processor time of one operation in µs, by what spends it.
type Cost struct{ Instance, Postgres, Redis float64 }

// Costs are those of what devices do.
type Costs struct {
	Write   Cost // a record of 1 KiB over HTTP
	Event   Cost // one device more that is told of it
	Connect Cost // a WebSocket that is authenticated and follows its owner
	Ping    Cost
	Compare Cost // of one owner's head, each poll interval of each instance that has a device of his
}

// ReadCosts finds the costs in a run of the workload "scale".
func ReadCosts(r *report.Report) (c Costs, err error) {
	find := func(title, subject string) (found Cost) {
		for _, part := range []struct {
			name  string
			value *float64
		}{{"instance µs each", &found.Instance}, {"PostgreSQL µs each", &found.Postgres}, {"Redis µs each", &found.Redis}} {
			f := r.Row("scale", title, subject).Figure(part.name)
			if f == nil {
				err = fmt.Errorf("the run has no %q of %q, %q", part.name, title, subject)
				return found
			}
			*part.value = f.Median
		}
		return found
	}
	c.Write = find("writes", "instances: 3, connections: 64") // the smallest groups that were measured
	c.Connect = find("devices", "connects")
	c.Ping = find("devices", "gives a sign of life")
	c.Compare = find("devices", "has its owner's head compared")
	one, nine := find("told", "devices: 1"), find("told", "devices: 9")
	c.Event = Cost{
		max(nine.Instance-one.Instance, 0) / 8, max(nine.Postgres-one.Postgres, 0) / 8, max(nine.Redis-one.Redis, 0) / 8,
	}
	return c, err
}
