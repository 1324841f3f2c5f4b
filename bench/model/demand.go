package model

import "math"

// Demand is what devices do in the busiest hour, when all are connected.
type Demand struct {
	Devices, Owners  float64
	WritesPerHour    float64 // of a device
	ConnectsPerHour  float64 // of a device, whose network comes and goes
	SecondsPerPing   float64
	SecondsPerPoll   float64 // of each instance, for all owners that follow there
	ProcessorsUsed   float64 // the part of each machine's processors that is to be busy at most
	Processors       float64 // of the machine of an instance
	MemoryGiB        float64 // likewise
	BytesPerIdle     float64 // of an instance's memory, for a connected device
	BytesOfNonce     float64 // of Redis' memory
	SecondsOfNonce   float64
	BytesOfWrite     float64 // on the wire, request and answer
	BytesOfEvent     float64
	BytesOfPing      float64 // and pong
	BytesPerAllowed  float64 // an instance takes one connection for so much memory
	ConnectionsToSQL float64 // of an instance
}

// Rates are how often things happen in a second.
type Rates struct{ Writes, Events, Connects, Pings, Compares float64 }

// Need is what the service takes.
type Need struct {
	Rates
	// Cores are processors that are busy all the time.
	Cores Cost
	// Instances are as many as the tightest of the bounds below asks for, and one more, so that
	// one may be away.
	Instances, ByProcessors, ByMemory, ByConnections float64
	PostgresProcessors, RedisProcessors              float64
	PostgresConnections                              float64
	ConnectionsEach                                  float64 // of devices, to an instance
	RedisChannels, RedisNonceMB                      float64
	MbitPerSecond                                    float64
}

// Plan computes what a demand needs.
func Plan(d Demand, c Costs) Need {
	n := Need{Instances: 1}
	idle := d.Devices * d.BytesPerIdle / (1 << 30)
	n.ByMemory = math.Ceil(idle / (d.MemoryGiB / 2)) // as much again for requests, and what is not collected yet
	n.ByConnections = math.Ceil(d.Devices * d.BytesPerAllowed / (d.MemoryGiB * (1 << 30)))
	for { // instances cause work of their own: until there are enough for it
		n.Rates = d.rates(n.Instances)
		n.Cores = n.cores(c)
		n.ByProcessors = math.Ceil(n.Cores.Instance / (d.Processors * d.ProcessorsUsed))
		enough := max(n.ByProcessors, n.ByMemory, n.ByConnections) + 1
		if enough <= n.Instances {
			break
		}
		n.Instances = enough
	}
	n.PostgresProcessors = math.Ceil(n.Cores.Postgres / d.ProcessorsUsed)
	n.RedisProcessors = n.Cores.Redis // it has one thread: below 1, or there must be several
	n.PostgresConnections = n.Instances * d.ConnectionsToSQL
	n.ConnectionsEach = d.Devices / n.Instances
	n.RedisChannels = d.owners(n.Instances)
	n.RedisNonceMB = (n.Writes + n.Connects) * d.SecondsOfNonce * d.BytesOfNonce / 1e6
	n.MbitPerSecond = 8 / 1e6 * (n.Writes*d.BytesOfWrite + n.Events*d.BytesOfEvent + n.Pings*d.BytesOfPing)
	return n
}

func (d Demand) rates(instances float64) Rates {
	writes := d.Devices * d.WritesPerHour / 3600
	return Rates{
		Writes: writes, Events: writes * (d.Devices/d.Owners - 1),
		Connects: d.Devices * d.ConnectsPerHour / 3600,
		Pings:    d.Devices / d.SecondsPerPing,
		Compares: d.owners(instances) / d.SecondsPerPoll,
	}
}

// owners counts each as often as there are instances that have a device of his, where devices
// connect to any.
func (d Demand) owners(instances float64) float64 {
	return d.Owners * instances * (1 - math.Pow(1-1/instances, d.Devices/d.Owners))
}

func (r Rates) cores(c Costs) (total Cost) {
	for _, of := range []struct {
		rate float64
		cost Cost
	}{{r.Writes, c.Write}, {r.Events, c.Event}, {r.Connects, c.Connect}, {r.Pings, c.Ping}, {r.Compares, c.Compare}} {
		total.Instance += of.rate * of.cost.Instance / 1e6
		total.Postgres += of.rate * of.cost.Postgres / 1e6
		total.Redis += of.rate * of.cost.Redis / 1e6
	}
	return total
}
