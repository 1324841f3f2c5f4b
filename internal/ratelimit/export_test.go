package ratelimit

// Subjects is how many owners and addresses have figures.
func (g *Gate) Subjects() (n int) {
	for _, t := range []*table{g.addresses, g.owners} {
		t.mu.Lock()
		n += len(t.subjects)
		for _, s := range t.crowd {
			if s != nil {
				n++
			}
		}
		t.mu.Unlock()
	}
	return n
}

// Tidy does what Run does now and then.
func (g *Gate) Tidy() {
	g.addresses.tidy()
	g.owners.tidy()
}
