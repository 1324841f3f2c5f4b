// Package model computes what a service for many devices needs, from what single operations
// cost, and simulates how its devices come back when all have lost their connections.
package model

// Writes is what a write costs by how many connections an instance has that write: writes that
// wait on an instance share a transaction, so that a part of the cost is divided among them.
type Writes struct {
	Own    float64 // of each write, in µs of processor time
	Shared float64 // of an instance's transactions, in µs times connections
}

// FitWrites finds the cost that two measurements of one instance show: cost µs of processor time
// for each write, at so many connections.
func FitWrites(few, costAtFew, many, costAtMany float64) Writes {
	shared := (costAtFew - costAtMany) / (1/few - 1/many)
	return Writes{Own: costAtMany - shared/many, Shared: shared}
}

// Each is the cost of a write in µs of processor time where an instance has so many connections.
func (w Writes) Each(connections float64) float64 { return w.Own + w.Shared/connections }
