package model

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Case is a simulated return of all devices.
type Case struct {
	Loss            Loss
	Postgres, Redis float64 // processors; of Redis nodes, since each has one
	Return          Return
}

// Write writes costs, need and returns as tables in Markdown.
func Write(w io.Writer, d Demand, c Costs, n Need, returns []Case) error {
	var b strings.Builder
	b.WriteString("| what, in µs of processor time | instance | PostgreSQL | Redis |\n|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		cost Cost
	}{
		{"a write of 1 KiB over HTTP", c.Write},
		{"one device more that is told of it", c.Event},
		{"a WebSocket that connects and follows", c.Connect},
		{"a ping and its pong", c.Ping},
		{"one owner's head compared", c.Compare},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.name, micros(row.cost.Instance), micros(row.cost.Postgres), micros(row.cost.Redis))
	}
	b.WriteString("\n| each second | how many | instances | PostgreSQL | Redis |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		rate float64
		cost Cost
	}{
		{"writes", n.Writes, c.Write},
		{"events at other devices", n.Events, c.Event},
		{"connects", n.Connects, c.Connect},
		{"pings", n.Pings, c.Ping},
		{"heads compared", n.Compares, c.Compare},
	} {
		fmt.Fprintf(&b, "| %s | %.0f | %.2f | %.2f | %.2f |\n", row.name, row.rate,
			row.rate*row.cost.Instance/1e6, row.rate*row.cost.Postgres/1e6, row.rate*row.cost.Redis/1e6)
	}
	fmt.Fprintf(&b, "| processors that are busy with all | | %.2f | %.2f | %.2f |\n", n.Cores.Instance, n.Cores.Postgres, n.Cores.Redis)
	fmt.Fprintf(&b, "\n| %.0f devices of %.0f owners need | |\n|---|---|\n", d.Devices, d.Owners)
	for _, row := range [][2]string{
		{fmt.Sprintf("instances of %.0f processors and %.0f GiB, one of them spare", d.Processors, d.MemoryGiB), fmt.Sprintf("%.0f", n.Instances)},
		{"— by processors, by memory, by `MAX_CONNECTIONS`", fmt.Sprintf("%.0f, %.0f, %.0f", n.ByProcessors, n.ByMemory, n.ByConnections)},
		{"sockets of an instance", fmt.Sprintf("%.0f", n.ConnectionsEach)},
		{"processors of PostgreSQL", fmt.Sprintf("%.0f", n.PostgresProcessors)},
		{"connections to PostgreSQL at most", fmt.Sprintf("%.0f", n.PostgresConnections)},
		{"the part of Redis' one processor", fmt.Sprintf("%.2f", n.RedisProcessors)},
		{"channels that are subscribed to in Redis, counted at each instance", fmt.Sprintf("%.0f", n.RedisChannels)},
		{"memory of Redis for nonces, about", fmt.Sprintf("%.0f MB", n.RedisNonceMB)},
		{"network between clients and instances, about", fmt.Sprintf("%.0f Mbit/s", n.MbitPerSecond)},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	b.WriteString("\n| away for | processors of PostgreSQL | nodes of Redis | taken in a second | tries in the worst second | half are back after | 99 % | all | tries of a device |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range returns {
		fmt.Fprintf(&b, "| %v | %.0f | %.0f | %.0f | %d | %v | %v | %v | %.1f |\n", r.Loss.Away, r.Postgres, r.Redis, r.Loss.ConnectsPerSecond,
			r.Return.MostTries, seconds(r.Return.Half), seconds(r.Return.P99), seconds(r.Return.All), r.Return.Tries)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func micros(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func seconds(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
