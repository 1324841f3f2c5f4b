package pubsub

// Merge is the one hint that tells a reader as much as both: the newest
// revision, or 0 if either asks the reader to look for itself.
func (h Hint) Merge(other Hint) Hint {
	switch {
	case h.Revision == 0 || other.Revision == 0:
		h.Revision, h.Trace = 0, ""
	case h.Revision < other.Revision:
		h.Revision, h.Trace = other.Revision, other.Trace
	}
	return h
}
