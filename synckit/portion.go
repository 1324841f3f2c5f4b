package synckit

import (
	"context"
	"fmt"
	"time"

	"syncline/synckit/errors"
)

// portion is how many events go in one call of the transport: as many as the line
// carries in time. Only the call that has the manager's turn uses it.
type portion struct {
	now, most int
	timeout   time.Duration // of one call
}

// shortSession is how long a call must have run that its caller gave up, for that to
// say something about the line: a shorter one may have been given up for any reason.
const shortSession = time.Second

// portions is the direction of a cursor of the manager's own: how many events a call
// of either kind carried last. A program that never runs long enough to find out, on a slow
// line, would otherwise begin with too many each time.
const portions Direction = "portions"

// learnPortions goes on with what was learned before. What cannot be read is learned
// again.
func (m *Manager) learnPortions(ctx context.Context) {
	if m.learned {
		return
	}
	var pulling, pushing int
	text, err := m.cursor(ctx, portions)
	if m.learned = err == nil; err != nil {
		return
	}
	if n, err := fmt.Sscanf(text, "%d %d", &pulling, &pushing); err == nil && n == 2 {
		m.pulling.now = max(1, min(pulling, m.pulling.most))
		m.pushing.now = max(1, min(pushing, m.pushing.most))
	}
}

// keepPortions stores what was learned since before, if that is less or more. It is no
// failure if it cannot: it is learned again. The caller may have given up.
func (m *Manager) keepPortions(ctx context.Context, before [2]int) {
	if before == [2]int{m.pulling.now, m.pushing.now} {
		return
	}
	text := fmt.Sprintf("%d %d", m.pulling.now, m.pushing.now)
	_, _ = m.commit(context.WithoutCancel(ctx), Commit{Cursors: []Cursor{m.at(portions, text)}})
}

// adapt takes in how a call went. After one that did not get through in time there
// are half as many. There are twice as many after one that was so quick that
// these would be on time, too; full says that there are more to take.
func (p *portion) adapt(err error, took time.Duration, full bool) {
	slow := took >= p.timeout/4
	cut := isGivenUp(err) && took >= shortSession
	switch {
	case err != nil && (slow || cut || errors.CodeOf(err) == errors.Timeout):
		p.now = max(p.now/2, 1)
	case err == nil && !slow && full:
		p.now = min(2*p.now, p.most)
	}
}
