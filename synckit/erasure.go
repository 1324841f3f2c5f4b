package synckit

import (
	"context"
	"maps"
	"slices"
	"strings"

	"syncline/synckit/errors"
)

// The owner of a peer's log may erase all that is in it. Other nodes learn of it when they ask from
// where they were. What they have written and not pushed was made of what is gone: it is not
// pushed unasked, and waits in the reviews as what a peer refused does. The own log keeps what it
// has, and nothing of it that is older than this is pending any more.

// erased is the direction of a cursor of the manager's own: the position of the log's newest entry
// when it was learned that the peer's log was erased, and what of that is still to be dealt with. A
// process that is killed meanwhile goes on with it before it pushes anything.
const erased Direction = "erased"

// What is still to be dealt with.
const (
	erasing   = "begun"  // all
	notPushed = "unsent" // what is not pushed: this was learned by a manager that never pushes
)

// erasedUpTo is the newest entry that is older than an erasure; 0: there was none.
func (m *Manager) erasedUpTo(ctx context.Context) (upTo Position, left string, err error) {
	text, err := m.cursor(ctx, erased)
	text, left, _ = strings.Cut(text, " ")
	return parsePosition(text), left, err
}

func (m *Manager) erasedAt(upTo Position, left string) Cursor {
	return m.at(erased, strings.TrimSpace(upTo.String()+" "+left))
}

// beginErasure takes in that the peer's log was erased, as it told when it was asked for what comes
// after a cursor, and gives that error.
func (m *Manager) beginErasure(ctx context.Context, r *SyncResult, reason error, asked Cursor) error {
	m.options.Logger.Warn("the peer's log was erased: what is not pushed waits in the reviews", "peer", m.options.Peer)
	newest, err := m.commit(ctx, Commit{}) // before it is looked whether another process has noted it: what is stored after that is newer
	noted := false
	if err == nil {
		noted, err = m.isErasureNoted(ctx, asked)
	}
	if noted {
		r.Erased = true
		return reason
	}
	if err == nil {
		_, err = m.commit(ctx, Commit{Cursors: []Cursor{m.erasedAt(newest.Latest, erasing)}})
	}
	if err != nil {
		return errors.New(errors.Erased, "sync", err) // by which code nothing is pushed, though it could not be kept
	}
	return m.endErasure(ctx, r, erasure{newest.Latest, erasing, !m.options.PullOnly}, reason)
}

// isErasureNoted tells whether another process has found that the peer's log was erased, since this
// one read a cursor: it is dealing with that, or has gone on from another cursor.
func (m *Manager) isErasureNoted(ctx context.Context, asked Cursor) (bool, error) {
	_, left, err := m.erasedUpTo(ctx)
	if err != nil || left == erasing {
		return err == nil, err
	}
	now, err := m.cursor(ctx, asked.Direction)
	return err == nil && now != asked.Value, err
}

// resumeErasure goes on where a process was ended in the middle, or with what one that never pushes
// has left.
func (m *Manager) resumeErasure(ctx context.Context, r *SyncResult, pushes bool) error {
	upTo, left, err := m.erasedUpTo(ctx)
	if err != nil || left == "" || left == notPushed && !pushes {
		return err
	}
	return m.endErasure(ctx, r, erasure{upTo, left, pushes}, errors.New(errors.Erased, "sync", nil))
}

// erasure is one that is to be dealt with.
type erasure struct {
	upTo   Position
	left   string
	pushes bool // the manager that notices it also pushes, and so has to deal with what is not pushed
}

// endErasure gives the error that there was an erasure, for whatever reason it fails.
func (m *Manager) endErasure(ctx context.Context, r *SyncResult, e erasure, reason error) error {
	var err error
	if e.pushes {
		err = m.keepUnsent(ctx, r, e.upTo, reason)
	}
	if err == nil && e.left == erasing {
		err = m.dropReviews(ctx)
	}
	if err == nil {
		err = m.beginAfter(ctx, e)
	}
	if err != nil {
		return errors.New(errors.Erased, "sync", err)
	}
	r.Erased = true
	return reason
}

// beginAfter has all begin with what is written from here on.
func (m *Manager) beginAfter(ctx context.Context, e erasure) error {
	d, err := m.due(ctx, pushingAgain)
	if err != nil {
		return err
	}
	fresh := Commit{Cursors: []Cursor{m.erasedAt(e.upTo, notPushed)}}
	if e.pushes {
		fresh.Cursors = []Cursor{
			m.at(Pushing, e.upTo.String()), m.at(pushedTwice, e.upTo.String()), m.at(pushingMissed.asked, ""), m.erasedAt(e.upTo, ""),
		}
		if d.name != "" {
			fresh.Cursors = append(fresh.Cursors, m.done(pushingAgain, d.name))
		}
	}
	if e.left == erasing {
		fresh.Cursors = append(fresh.Cursors,
			m.at(Pulling, ""), m.at(pullingAgain.reached, ""), m.at(probing, ""), m.at(watching, e.upTo.String()),
			m.at(holding, held{known: []span{{1, e.upTo}}}.String()))
	}
	_, err = m.commit(ctx, fresh)
	m.watched = watched{}
	return err
}

// keepUnsent has what the peer was still to get wait in the reviews, as far as it is older than the
// erasure.
func (m *Manager) keepUnsent(ctx context.Context, r *SyncResult, upTo Position, reason error) error {
	text, err := m.cursor(ctx, Pushing)
	if err != nil {
		return err
	}
	for at := parsePosition(strings.TrimPrefix(text, allPrefix)); at < upTo; {
		entries, err := m.read(ctx, at, m.options.BatchSize)
		if err != nil {
			return err
		}
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Position > upTo })
		if len(entries) == 0 {
			return nil
		}
		b, err := m.pick(ctx, pushCursor{}, entries)
		if err != nil {
			return err
		}
		for _, e := range b.send {
			b.refused[e.Event.ID()] = reason
		}
		if err := m.leaveDecided(ctx, b); err != nil {
			return err
		}
		at = entries[len(entries)-1].Position
		kept := Commit{Cursors: []Cursor{m.at(Pushing, at.String())}, AddReviews: m.refusals(b)}
		if _, err := m.commit(ctx, kept); err != nil {
			return err
		}
		r.ReviewsAdded += len(kept.AddReviews)
	}
	return nil
}

// dropReviews ends the reviews of what was pulled: none of it is at the peer any more.
func (m *Manager) dropReviews(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		m.reviewed.ready = false
		if err := m.learnReviews(ctx); err != nil {
			return err
		}
		ids := slices.Concat(slices.Sorted(maps.Keys(m.reviewed.aggregate)), slices.Sorted(maps.Keys(m.reviewed.rejected)))
		if len(ids) == 0 {
			return nil
		}
		_, err := m.commit(ctx, Commit{EndReviews: ids[:min(len(ids), maxCommit)]})
		switch {
		case err == nil:
			attempt = 0
		case errors.CodeOf(err) != errors.NotFound || attempt == maxAttempts: // not one that somebody decided meanwhile
			return err
		}
	}
}
