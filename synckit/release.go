package synckit

import (
	"context"
	"runtime/debug"
	"strings"
)

// release is the direction of a cursor of the manager's own: by which release of the
// program the peer's log was read.
const release Direction = "release"

// generation grows when this library can read more than before.
const generation = "synckit 2"

// retryRejected begins again at the beginning of the peer's log once the program is
// another one, if there is something that it could not take before: an app that was
// brought up to date gets what it could not read. What it has changes nothing.
func (m *Manager) retryRejected(ctx context.Context) error {
	before, err := m.cursor(ctx, release)
	now := m.options.Release
	if reading, ok := m.transport.(ReadingTransport); ok {
		now += " reads " + reading.Reads()
	}
	if err != nil || before == now {
		return err
	}
	if err := m.learnReviews(ctx); err != nil {
		return err
	}
	c := Commit{Cursors: []Cursor{m.at(release, now)}}
	if len(m.reviewed.rejected) > 0 {
		m.options.Logger.Info("the program is another: what it could not take is pulled again", "peer", m.options.Peer, "before", before, "now", now)
		c.Cursors = append(c.Cursors, m.ask(pullingAgain, ""))
	}
	for id, kept := range m.reviewed.rejected {
		if !kept { // it comes back if it still cannot be read
			c.EndReviews = append(c.EndReviews, id)
		}
	}
	if _, err := m.commit(ctx, c); err != nil {
		m.reviewed.ready = false
		return err
	}
	m.reviewed.apply(c, m.options.Peer)
	return nil
}

func (k *reviewed) rejects(id string) bool {
	_, rejects := k.rejected[id]
	return rejects
}

// thisRelease is what the program says of itself: it differs when the program does, as far as
// its build tells.
func thisRelease() string {
	parts := []string{generation}
	if info, ok := debug.ReadBuildInfo(); ok {
		parts = append(parts, info.Main.Path, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "vcs.modified" {
				parts = append(parts, s.Value)
			}
		}
	}
	return strings.Join(parts, " ")
}
