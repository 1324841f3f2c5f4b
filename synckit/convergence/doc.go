// Package convergence has the proof, by random trial, that nodes which sync agree
// in the end: whatever the transport, the store and the resolver, however often
// messages are lost, doubled or late and processes killed between two steps. It
// has no code but its tests.
//
// A failing trial prints its seed; SYNCLINE_SEED repeats it. SYNCLINE_VERIFY=1
// runs many more.
package convergence
