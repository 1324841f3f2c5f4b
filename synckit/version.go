package synckit

// Version says where an event stands among others.
type Version interface {
	// Compare orders this version and another of its kind: below 0 before it,
	// above 0 after it, 0 equal. Versions that are concurrent are not equal:
	// Compare then orders them in a way that all nodes share. CausalVersion tells
	// concurrent versions from ordered ones.
	Compare(other Version) int
	// String is the version as text, from which its package parses it again.
	String() string
	// IsZero tells the version before the first.
	IsZero() bool
}

// Ordering is how two versions relate by cause and effect.
type Ordering int

// The four ways in which versions relate.
const (
	Equal      Ordering = iota
	Before              // what happened first could be known to the other
	After               // the reverse
	Concurrent          // neither could know of the other
)

// CausalVersion is a Version that knows what its writer knew, such as a vector
// clock. The manager finds conflicts by it wherever both sides have one.
type CausalVersion interface {
	Version
	// Order relates this version to another. One of another kind is Concurrent.
	Order(other Version) Ordering
}
