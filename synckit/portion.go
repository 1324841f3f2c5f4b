package synckit

import (
	"time"

	"syncline/synckit/errors"
)

// portion is how many events go in one call of the transport: as many as the line
// carries in time. It is used by whoever has the manager's turn.
type portion struct {
	now, most int
	patience  time.Duration // for one call
}

// heed takes in how a call went. After one that did not get through in time there
// are half as many. There are twice as many after one that was so quick that
// these would be on time, too; full says that there are more to take.
func (p *portion) heed(err error, took time.Duration, full bool) {
	slow := took >= p.patience/4
	switch {
	case err != nil && (slow || errors.CodeOf(err) == errors.Timeout):
		p.now = max(p.now/2, 1)
	case err == nil && !slow && full:
		p.now = min(2*p.now, p.most)
	}
}
