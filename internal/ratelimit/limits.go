// Package ratelimit keeps one client from taking what belongs to all: what an
// address and an owner may take a second, and hold at a time.
//
//	gate := ratelimit.New(ratelimit.Limits{Cost: 50_000, AddressFactor: 4}, ratelimit.Options{...})
//	handler = gate.Middleware(verifier.Middleware(api)) // addresses, before any work
//	...
//	gate.Connected(ctx, owner)                          // a WebSocket, once it is verified
//	gate.Admit(ctx); gate.Charge(ctx, kind, cost)       // an operation
//
// A limit a second may be saved up for a minute. What something costs is known
// when it was done, so nothing is refused while anything is left, and what it
// took beyond is owed: the next waits until it is paid.
//
// Every decision is made from this instance's memory. Instances that share a
// Redis tell each other in the background what the busiest took: see Exchange.
package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Limits are those of each owner. Zero is no limit.
type Limits struct {
	// Cost is what documents may cost a second, as graph measures them.
	Cost int
	// BytesIn and BytesOut are what bodies and messages may have a second.
	BytesIn, BytesOut int
	// Connects is how many WebSockets and event streams may be opened a second.
	Connects float64
	// Connections and Subscriptions are how many may be open at a time.
	Connections, Subscriptions int

	// AddressFactor is how many times as much all owners of one address may have
	// together. Zero: addresses have no limits but NewOwners.
	AddressFactor float64
	// NewOwners is how many owners may begin at one address an hour.
	NewOwners int
}

// saved is for how long a limit a second may be saved up.
const saved = time.Minute

// kind is what a limit is about.
type kind int

// What is limited a second, or an hour.
const (
	cost kind = iota
	bytesIn
	bytesOut
	connects
	newOwners
	rates // how many there are
)

// What is limited at a time.
const (
	connections kind = iota
	subscriptions
	holds // how many there are
)

// names of limits, for metrics and messages.
var (
	rateNames = [rates]string{"cost", "bytes_in", "bytes_out", "connects", "new_owners"}
	holdNames = [holds]string{"connections", "subscriptions"}
)

// bounds are the limits of one kind of subject: of owners, or of addresses.
type bounds struct {
	rates [rates]rateBound
	holds [holds]int // 0: no limit
}

// rateBound allows burst at once, and each again a second. The zero value is no limit.
type rateBound struct {
	each  rate.Limit
	burst int
}

func perSecond(each float64) rateBound {
	return rateBound{rate.Limit(each), int(min(each*saved.Seconds(), 1<<53))}
}

func ownerBounds(l Limits) bounds {
	var b bounds
	b.rates[cost] = perSecond(float64(l.Cost))
	b.rates[bytesIn] = perSecond(float64(l.BytesIn))
	b.rates[bytesOut] = perSecond(float64(l.BytesOut))
	b.rates[connects] = perSecond(l.Connects)
	b.holds = [holds]int{connections: l.Connections, subscriptions: l.Subscriptions}
	return b
}

func addressBounds(l Limits) bounds {
	b := ownerBounds(l)
	for kind := range b.rates {
		b.rates[kind] = perSecond(float64(b.rates[kind].each) * l.AddressFactor)
	}
	for kind, most := range b.holds { // rounded up: 0 would be no limit
		b.holds[kind] = int(math.Ceil(float64(most) * l.AddressFactor))
	}
	b.rates[newOwners] = rateBound{rate.Limit(float64(l.NewOwners) / time.Hour.Seconds()), l.NewOwners}
	return b
}
