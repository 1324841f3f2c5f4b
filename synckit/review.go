package synckit

import (
	"context"
	stderrors "errors"
	"slices"
	"strings"
	"time"

	"syncline/synckit/errors"
)

// What a review's ID begins with tells what it is about.
const (
	conflictPrefix = "conflict:" // a conflict
	refusedPrefix  = "refused:"  // an event of this log that the peer will not take
	rejectedPrefix = "rejected:" // an event of the peer that was not taken
	stagedPrefix   = "staged:"   // what is to be decided when the pull ends; nobody is shown it
)

// Reviews lists what waits for somebody: conflicts that the resolver left to a
// person, and events that one side would not take, with the reason. It lists from
// after a review's id (empty: the beginning), up to limit; oldest first.
func (m *Manager) Reviews(ctx context.Context, after string, limit int) ([]Review, error) {
	if m.bad != nil {
		return nil, m.bad
	}
	var listed []Review
	for len(listed) < limit {
		reviews, err := m.reviews(ctx, after, limit-len(listed))
		if err != nil {
			return nil, err
		}
		for _, r := range reviews {
			if after = r.ID; !strings.HasPrefix(r.ID, stagedPrefix) {
				listed = append(listed, r)
			}
		}
		if len(reviews) == 0 {
			break
		}
	}
	return listed, nil
}

// Decide ends a review. kept are the events that count, in order: any of the
// review's, and new ones. The others are kept in the log but no longer count.
// The order is taken as it is given. Effective of Local and Remote gives one in
// which none stands before one that its writer knew of: events that joined a
// review may build on those of both sides. New events have the time of the decision
// (TimeKey), and come after all that was to decide.
//
// A review to which events were added since it was listed has another ID; the
// error's code is then NotFound, as for one that was decided already. Events
// written here since the conflict was found are not touched and count.
//
// A decision that the peer would not take, for an event that is too large, is
// refused with the peer's reason, and the review waits on.
//
// Snapshots (see Compact) are passed over: they count by themselves.
//
// An event that cannot be opened (SealedType) is not taken: it would keep out what it holds.
//
// An event that the peer refused stays in the log if it is kept; the peer is not
// asked again. One that was rejected here enters the log if it is kept, and else
// is forgotten.
func (m *Manager) Decide(ctx context.Context, reviewID string, kept []EventWithVersion) error {
	const op = "decide"
	if slices.ContainsFunc(kept, func(e EventWithVersion) bool { return e.Event == nil }) {
		return errors.New(errors.InvalidEvent, op, nil, errors.Metadata{"review": reviewID})
	}
	if err := m.take(ctx, op); err != nil {
		return err
	}
	defer m.release()
	review, err := m.review(ctx, reviewID)
	if err == nil && strings.HasPrefix(reviewID, stagedPrefix) {
		err = errors.New(errors.NotFound, op, nil, errors.Metadata{"review": reviewID})
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(review.takes(kept), func(e EventWithVersion) bool {
		return strings.HasPrefix(reviewID, rejectedPrefix) && e.Event.Type() == SealedType
	}) {
		return errors.New(errors.InvalidEvent, op, stderrors.New("the event cannot be opened"), errors.Metadata{"review": reviewID})
	}
	ctx, end := m.begin(ctx, Step{Name: StepDecide, AggregateID: review.AggregateID, Local: len(review.Local), Remote: len(review.Remote)})
	err = m.answer(ctx, op, review, kept)
	end(Outcome{Err: err})
	return err
}

// answer writes down what a person decided.
func (m *Manager) answer(ctx context.Context, op string, review Review, kept []EventWithVersion) error {
	entries, err := m.aggregate(ctx, review.AggregateID)
	if err != nil {
		return err
	}
	d := decision{
		aggregateID: review.AggregateID,
		known:       append(eventsOf(entries), review.Remote...),
		inputs:      ordinary(append(slices.Clone(review.Local), review.takes(kept)...)),
		kept:        review.withoutResolutions(kept),
		at:          time.Now(),
		local:       review.Local,
	}
	commit := Commit{EndReviews: []string{review.ID}}
	if strings.HasPrefix(review.ID, refusedPrefix) {
		commit.Cursors = append(commit.Cursors, decidedRefusal(review.Peer, review.ID))
	}
	for _, e := range review.takes(kept) {
		commit.Append = append(commit.Append, Entry{EventWithVersion: e, Origin: review.Peer})
	}
	return m.commitDecision(ctx, op, d, commit)
}

// takes are the events that enter the log with a decision: of a conflict all, of
// a rejected event only if it is kept.
func (r Review) takes(kept []EventWithVersion) []EventWithVersion {
	if !strings.HasPrefix(r.ID, rejectedPrefix) {
		return r.Remote
	}
	return slices.DeleteFunc(slices.Clone(r.Remote), func(e EventWithVersion) bool {
		return !slices.Contains(idsOf(kept), e.Event.ID())
	})
}

// withoutResolutions leaves out of an answer the resolutions that came with the
// review's events, and snapshots: they take part by themselves.
func (r Review) withoutResolutions(kept []EventWithVersion) []EventWithVersion {
	return slices.DeleteFunc(slices.Clone(kept), func(e EventWithVersion) bool {
		return isSnapshot(e.Event) || reserved(e.Event) && slices.Contains(idsOf(r.Remote), e.Event.ID())
	})
}

func (m *Manager) review(ctx context.Context, id string) (found Review, err error) {
	if log, ok := m.log.(ReviewFinder); ok {
		err = m.callStore(ctx, "find review", func(ctx context.Context) error {
			found, err = log.Review(ctx, id)
			return err
		})
		if errors.CodeOf(err) != errors.Unsupported {
			return found, err
		}
	}
	err = m.eachReview(ctx, func(r Review) bool {
		if r.ID == id {
			found = r
		}
		return r.ID == id
	})
	if err == nil && found.ID == "" {
		err = errors.New(errors.NotFound, "find review", nil, errors.Metadata{"review": id})
	}
	return found, err
}

func eventsOf(entries []Entry) []EventWithVersion {
	events := make([]EventWithVersion, len(entries))
	for i, e := range entries {
		events[i] = e.EventWithVersion
	}
	return events
}

func ordinary(events []EventWithVersion) []EventWithVersion {
	return slices.DeleteFunc(events, func(e EventWithVersion) bool { return reserved(e.Event) })
}

// park keeps a conflict for a person, with all that comes after it.
func (m *Manager) park(in *intake, g *group, c *comparison, local []EventWithVersion, reason error) {
	r := Review{
		AggregateID: g.aggregateID, Peer: m.options.Peer, Reason: reason.Error(),
		Local: local, Remote: c.fresh[c.first:], Since: time.Now().UTC(),
	}
	in.addConflict(r)
	for _, e := range r.Remote {
		g.parked[e.Event.ID()] = true
	}
	in.parked++
}

func (in *intake) addConflict(r Review) {
	r.ID = conflictPrefix + digest(append(idsOf(r.Local), append([]string{r.Peer, r.AggregateID}, idsOf(r.Remote)...)...)...)
	in.commit.AddReviews = append(in.commit.AddReviews, r)
}

func idsOf(events []EventWithVersion) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.Event.ID()
	}
	return ids
}

func (m *Manager) rejectionID(eventID string) string {
	return rejectedPrefix + digest(m.options.Peer, eventID)
}

// rejection keeps an event of the peer that cannot be taken. What cannot be kept
// either, is too large or is no event, is only named.
func (m *Manager) rejection(e EventWithVersion, reason error) Review {
	r := Review{Peer: m.options.Peer, Reason: reason.Error(), Since: time.Now().UTC()}
	if e.Event == nil {
		r.ID = rejectedPrefix + digest(r.Peer, "", textOf(e.Version))
		return r
	}
	r.ID = m.rejectionID(e.Event.ID())
	if encoded, err := Encode(e.Event); err == nil {
		r.AggregateID = encoded.AggregateID
		if encoded.size() <= m.options.MaxEventBytes {
			r.Remote = []EventWithVersion{e}
		}
	}
	return r
}
