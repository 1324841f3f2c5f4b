// Command scale computes what a service for many devices needs from the costs that
// `make bench BENCH='-workloads scale -out results/scale'` has measured, and simulates how its
// devices come back. docs/scale.md shows what it prints.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"syncline/bench/model"
	"syncline/bench/report"
)

func main() {
	d := usual()
	run := flag.String("run", "results/scale/results.json", "the run that costs are taken from")
	flag.Float64Var(&d.Devices, "devices", d.Devices, "devices that are connected")
	flag.Float64Var(&d.Owners, "owners", d.Owners, "their owners")
	flag.Float64Var(&d.WritesPerHour, "writes", d.WritesPerHour, "writes of a device in the busiest hour, of 1 KiB")
	flag.Float64Var(&d.ConnectsPerHour, "connects", d.ConnectsPerHour, "how often a device connects in that hour")
	flag.Float64Var(&d.SecondsPerPing, "ping", d.SecondsPerPing, "seconds between the signs of life that a client gives")
	flag.Float64Var(&d.SecondsPerPoll, "poll", d.SecondsPerPoll, "FEED_POLL_INTERVAL in seconds")
	flag.Float64Var(&d.Processors, "processors", d.Processors, "of the machine of an instance")
	flag.Float64Var(&d.MemoryGiB, "memory", d.MemoryGiB, "likewise, in GiB")
	flag.Float64Var(&d.ProcessorsUsed, "busy", d.ProcessorsUsed, "the part of processors that is to be busy at most")
	flag.Parse()
	if err := show(os.Stdout, *run, d); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// usual is what is assumed unless flags say otherwise.
func usual() model.Demand {
	return model.Demand{
		Devices: 1e6, Owners: 2e5, WritesPerHour: 6, ConnectsPerHour: 2,
		SecondsPerPing: 15, // of the JavaScript client
		SecondsPerPoll: 15, // FEED_POLL_INTERVAL, by default
		Processors:     4, MemoryGiB: 8, ProcessorsUsed: .5,
		BytesPerIdle:     32e3,        // "kB per subscription" of the workload idle, the highest that was measured
		BytesPerAllowed:  128 << 10,   // MAX_CONNECTIONS, by default
		ConnectionsToSQL: 16,          // DATABASE_MAX_CONNECTIONS, by default
		SecondsOfNonce:   361,         // a signature passes for 300 s, and may be made 60 s ahead
		BytesOfNonce:     200,         // a key of Redis with an expiry, an estimate
		BytesOfWrite:     2200 + 1900, // with headers and base64
		BytesOfEvent:     1650,
		BytesOfPing:      2 * 80, // with TCP's and IP's headers
	}
}

func show(w io.Writer, run string, d model.Demand) error {
	file, err := os.Open(run)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	r, err := report.Read(file)
	if err != nil {
		return err
	}
	costs, err := model.ReadCosts(r)
	if err != nil {
		return err
	}
	need := model.Plan(d, costs)
	return model.Write(w, d, costs, need, returns(d, costs, need))
}

// returns simulates that all lose their connections, with databases of different sizes.
func returns(d model.Demand, c model.Costs, need model.Need) (all []model.Case) {
	for _, away := range []time.Duration{5 * time.Second, time.Minute} {
		for _, databases := range []struct{ postgres, redis float64 }{{4, 1}, {8, 2}, {16, 8}} {
			perSecond := 1e6 * min(need.Instances*d.Processors/c.Connect.Instance, databases.postgres/c.Connect.Postgres, databases.redis/c.Connect.Redis)
			loss := model.Loss{Devices: int(d.Devices), Away: away, ConnectsPerSecond: perSecond, InitTimeout: 10 * time.Second} // the server's
			all = append(all, model.Case{Loss: loss, Postgres: databases.postgres, Redis: databases.redis, Return: model.Simulate(loss, 1)})
		}
	}
	return all
}
