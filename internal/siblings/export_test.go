package siblings

import "time"

// Absence is how long an instance that differs waits without a claim.
const Absence = absence

// Slow gives Redis time to answer on a machine that is busy.
func (c *Claim) Slow() *Claim {
	c.wait = time.Minute
	return c
}

// By has the claim go by a clock.
func (c *Claim) By(now func() time.Time) *Claim {
	c.now = now
	return c
}
