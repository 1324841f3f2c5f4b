// Package version has the versions that know about causes: vector clocks, and
// hybrid logical clocks for those who need times that fit causes.
//
// Lamport ("Time, clocks, and the ordering of events in a distributed system",
// 1978) defined what it means that one event happened before another: the second
// could have known of the first. A VectorClock answers that question exactly
// (Fidge, "Timestamps in message-passing systems that preserve the partial
// ordering", 1988; Mattern, "Virtual time and global states of distributed
// systems", 1989), at the price of one counter per node that writes. An HLC
// (Kulkarni, Demirbas, Madappa, Avva and Leone, "Logical physical clocks", 2014)
// has constant size and looks like a time: what happened later always has the
// greater one, but a greater one may also just be from elsewhere.
//
// A versioned store gives each event that is written here a version by itself.
package version
