package pubsub

// Merge is the one hint that tells a reader as much as both: the newest
// revision, or 0 if either asks the reader to look for itself.
func (h Hint) Merge(other Hint) Hint {
	if h.Revision == 0 || other.Revision == 0 {
		h.Revision = 0
	} else {
		h.Revision = max(h.Revision, other.Revision)
	}
	return h
}
