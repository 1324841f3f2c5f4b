package badger

import (
	"context"

	"github.com/dgraph-io/badger/v4"

	"syncline/synckit"
	"syncline/synckit/storage/internal/stored"
)

// Store implements synckit.EventStore.
func (s *Store) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	_, err := s.commit(ctx, writer{op: "store", clocksAnew: true}, stored.Single(event, version))
	return err
}

// Commit implements synckit.Log. Everything but what data is larger than a
// kilobyte must fit in one transaction of BadgerDB, which is about ten thousand
// events; more is an error of code TooLarge.
func (s *Store) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	return s.commit(ctx, writer{op: "commit"}, commit)
}

func (s *Store) commit(ctx context.Context, w writer, commit synckit.Commit) (committed synckit.Committed, err error) {
	if w.Encoded, err = stored.Encode(commit); err != nil { // before anybody waits for it
		return synckit.Committed{}, err
	}
	err = s.update(ctx, w.op, func(txn *badger.Txn) error {
		w.txn, w.times = txn, &s.times
		committed, err = w.apply(commit)
		return err
	})
	if err != nil {
		return synckit.Committed{}, err
	}
	if stored.Wakes(commit, committed.Appended) {
		s.changed.Raise()
	}
	return committed, nil
}

// writer carries out one commit in one transaction.
type writer struct {
	op         string
	clocksAnew bool // whatever clocks the events came with
	txn        *badger.Txn
	times      *stored.Times
	stored.Encoded
}

func (w *writer) apply(commit synckit.Commit) (committed synckit.Committed, err error) {
	err = stored.CheckUnchanged(w.op, commit.Unchanged, func(aggregateID string) (synckit.Position, error) {
		head, err := getHead(w.txn, aggregateID)
		return head.newest, err
	})
	if err != nil {
		return committed, err
	}
	if committed, err = w.appendAll(commit.Append); err != nil {
		return committed, err
	}
	for _, id := range commit.EndReviews {
		if err := w.endReview(id); err != nil {
			return committed, err
		}
	}
	for i, r := range commit.AddReviews {
		if err := w.addReview(r.ID, w.Reviews[i]); err != nil {
			return committed, err
		}
	}
	for _, c := range commit.Cursors {
		if err := w.setCursor(c); err != nil {
			return committed, err
		}
	}
	return committed, nil
}

// appendAll appends those events that are new and confirms those that are known.
func (w *writer) appendAll(entries []synckit.Entry) (committed synckit.Committed, err error) {
	latest, err := getNumber(w.txn, keyLatest)
	if err != nil {
		return committed, err
	}
	committed.Latest = synckit.Position(latest)
	clocks := stored.Clocks{Times: w.times, Highest: func(aggregateID string) (uint64, error) {
		head, err := getHead(w.txn, aggregateID)
		return head.clock, err
	}}
	for i, e := range entries {
		event := w.Events[i]
		position, err := getNumber(w.txn, idKey(event.ID))
		if err != nil {
			return committed, err
		}
		if position > 0 {
			if err := w.known(synckit.Position(position), event, e.Origin); err != nil {
				return committed, err
			}
			continue
		}
		if event, err = clocks.Set(event, e.Origin, w.clocksAnew); err != nil {
			return committed, err
		}
		committed.Latest++
		if err := w.append(committed.Latest, event, e); err != nil {
			return committed, err
		}
		if err := clocks.Appended(event); err != nil {
			return committed, err
		}
		committed.Appended = append(committed.Appended, event.ID)
	}
	if len(committed.Appended) == 0 {
		return committed, nil
	}
	if mark, needed := clocks.Mark(); needed {
		if err := w.setCursor(mark); err != nil {
			return committed, err
		}
	}
	return committed, w.txn.Set(keyLatest, number(uint64(committed.Latest)))
}

func (w *writer) append(position synckit.Position, event synckit.EncodedEvent, e synckit.Entry) error {
	head, err := getHead(w.txn, event.AggregateID)
	if err != nil {
		return err
	}
	head.newest, head.clock = position, max(head.clock, event.Clock())
	kept := stored.Event{EncodedEvent: event, Origin: e.Origin}
	kept.Kind, kept.Version = stored.Kind(stored.Own(e.Version))
	for _, set := range [][2][]byte{
		{eventKey(position), kept.Bytes()},
		{idKey(event.ID), number(uint64(position))},
		{aggregateKey(event.AggregateID, position), nil},
		{headKey(event.AggregateID), head.bytes()},
	} {
		if err := w.txn.Set(set[0], set[1]); err != nil {
			return err
		}
	}
	return nil
}

// known is for an event whose ID is there already.
func (w *writer) known(position synckit.Position, event synckit.EncodedEvent, origin string) error {
	value, err := get(w.txn, eventKey(position))
	if err != nil || value == nil { // it was dropped
		return err
	}
	there, err := stored.ParseEvent(value)
	if err != nil {
		return err
	}
	if !there.Same(event) {
		return stored.Reused(w.op, event.ID)
	}
	if origin == "" {
		return nil
	}
	return w.txn.Set(confirmedKey(position), []byte{1})
}

// endReview leaves the review's place, so that a reader who stands there can go on.
func (w *writer) endReview(id string) error {
	place, waits, err := w.place(id)
	if err != nil {
		return err
	}
	if !waits {
		return stored.NotWaiting(w.op, id)
	}
	return w.txn.Delete(reviewKey(place))
}

func (w *writer) addReview(id string, content []byte) error {
	place, waits, err := w.place(id)
	if err != nil {
		return err
	}
	if !waits {
		if place, err = getNumber(w.txn, keyPlaces); err != nil {
			return err
		}
		place++
		if err := w.txn.Set(keyPlaces, number(place)); err != nil {
			return err
		}
		if err := w.txn.Set(placeKey(id), number(place)); err != nil {
			return err
		}
	}
	return w.txn.Set(reviewKey(place), content)
}

func (w *writer) place(id string) (place uint64, waits bool, err error) {
	if place, err = getNumber(w.txn, placeKey(id)); err != nil || place == 0 {
		return place, false, err
	}
	content, err := get(w.txn, reviewKey(place))
	return place, content != nil, err
}

func (w *writer) setCursor(c synckit.Cursor) error {
	if c.Value == "" {
		return w.txn.Delete(cursorKey(c.Peer, c.Direction))
	}
	return w.txn.Set(cursorKey(c.Peer, c.Direction), []byte(c.Value))
}
