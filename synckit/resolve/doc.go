// Package resolve has ways to resolve conflicts: by order, by merging, by rules,
// or by asking somebody.
//
// All of them treat both sides alike: called with local and remote swapped they
// give the same answer, so nodes that resolve the same conflict agree. None looks
// at the order in which events arrived, or at the wall clock of the node that
// resolves, but to see that a time is more than a day ahead and so cannot be true. LastWriteWins and FirstWriteWins pick as the registers of Shapiro,
// Preguiça, Baquero and Zawirski ("Conflict-free replicated data types", 2011)
// do: by an order of all events that fits causes and has no ties.
package resolve
