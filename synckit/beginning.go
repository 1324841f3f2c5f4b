package synckit

// beginning is the version before the first of any kind.
type beginning struct{}

// Compare implements Version.
func (beginning) Compare(other Version) int {
	if other == nil || other.IsZero() {
		return 0
	}
	return -1
}

// String implements Version.
func (beginning) String() string { return "0" }

// IsZero implements Version.
func (beginning) IsZero() bool { return true }
