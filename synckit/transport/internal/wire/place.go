package wire

// Place is where a push that goes in several parts has come to in the peer's log, as long
// as that is known. A nil one is not asked about.
type Place struct {
	Cursor string
	Known  bool
}

// Asked is the cursor to push after; nil: none.
func (p *Place) Asked() *string {
	if p == nil || !p.Known {
		return nil
	}
	return &p.Cursor
}

// Move takes what the peer told of a part: the cursor after it, or empty.
func (p *Place) Move(end string) {
	if p != nil {
		*p = Place{Cursor: end, Known: p.Known && end != ""}
	}
}

// End is the cursor after all parts of a push that ended with err; empty if that is not known.
func (p *Place) End(err error) string {
	if err != nil || !p.Known {
		return ""
	}
	return p.Cursor
}
