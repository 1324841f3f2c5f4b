package synckit

import (
	"context"
	"crypto/rand"
	"strings"
)

// A walk goes through a log once more: the peer's, to get what was left out before, or the own,
// to push what the peer has lost. It has cursors of its own, beside the ordinary one. Were that
// set back instead, another process of the store that is in the middle of a pull or push would
// set it forward again with its next commit, and what lies between would be left out for good.
type walk struct {
	asked   Direction // of a cursor that names the newest walk somebody asked for
	reached Direction // of one that tells how far which walk has come
}

// What a walk that pushes again is asked to do: one of these, the position after which to begin,
// and with missed the one up to which all was pushed before.
const (
	everything = "all"    // the peer has lost its whole log
	missed     = "missed" // it has lost something of what was pushed
)

var (
	pullingAgain = walk{asked: "pull again", reached: "pulled again"}
	pushingAgain = walk{asked: "push again", reached: "pushed again"}
	// pushingMissed is a walk of its own, so that it does not take the place of one that pushes
	// everything, which another process may ask for at the same time. That one goes first.
	pushingMissed = walk{asked: "push missed", reached: "pushed missed"}
)

// due is a walk that was asked for and has not ended.
type due struct {
	name   string // random; empty: none is due
	about  string // what it is to do, as it was asked for
	cursor string // how far it has come; empty: it has not begun
}

func (m *Manager) due(ctx context.Context, w walk) (due, error) {
	asked, err := m.cursor(ctx, w.asked)
	if err != nil || asked == "" {
		return due{}, err
	}
	reached, err := m.cursor(ctx, w.reached)
	if err != nil {
		return due{}, err
	}
	var d due
	d.name, d.about, _ = strings.Cut(asked, " ")
	if reached == d.name {
		return due{}, nil
	}
	if cursor, begun := strings.CutPrefix(reached, d.name+" "); begun {
		d.cursor = cursor
	}
	return d, nil
}

// ask is the cursor that asks for a walk. It takes the place of any before.
func (m *Manager) ask(w walk, about string) Cursor { return m.at(w.asked, rand.Text()+" "+about) }

// moved is the cursor of a walk that has come to a place.
func (m *Manager) moved(w walk, name, cursor string) Cursor { return m.at(w.reached, name+" "+cursor) }

// done is the cursor of a walk that has ended.
func (m *Manager) done(w walk, name string) Cursor { return m.at(w.reached, name) }
