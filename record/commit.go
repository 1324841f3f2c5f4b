package record

// Commit is what one accepted request added to its owner's feed, or that all in it
// was erased.
type Commit struct {
	Owner Owner
	Epoch Epoch
	// Records are those that changed, tombstones too. Their revisions follow one
	// another without a gap, and the last is the head that the request left. They
	// are shared: nobody may change them, nor their data.
	Records []Record
	// Erased, above 0, is the revision that an erasure took; there are no records
	// then, and none of what is known up to it is to be shown any more.
	Erased Revision
}

// OnCommit has f called with each commit that this service makes, after it is
// durable and before its hint is published. Commits of one owner may come out
// of their order, at the same time. f must not wait for anything. OnCommit
// itself is called before the service is used.
func (s *Service) OnCommit(f func(Commit)) { s.onCommit = append(s.onCommit, f) }
