package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"syncline/synckit"
	"syncline/synckit/storage/internal/stored"
)

// reviews are those that wait, in the order in which they were added. An ended
// one leaves its place, so that a reader who stands there can go on.
type reviews struct {
	next    int
	places  map[string]int // of ended ones too
	waiting map[int]synckit.Review
}

func newReviews() reviews {
	return reviews{places: map[string]int{}, waiting: map[int]synckit.Review{}}
}

// changed returns the reviews after a commit and leaves r as it is.
func (r reviews) changed(op string, end []string, add []synckit.Review) (reviews, error) {
	if len(end) == 0 && len(add) == 0 {
		return r, nil
	}
	r.places, r.waiting = maps.Clone(r.places), maps.Clone(r.waiting)
	for _, id := range end {
		place, ok := r.places[id]
		if _, waits := r.waiting[place]; !ok || !waits {
			return r, stored.NotWaiting(op, id)
		}
		delete(r.waiting, place)
	}
	for _, review := range add {
		if err := r.add(review); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (r *reviews) add(review synckit.Review) error {
	var err error
	if review.Local, err = detach(review.Local); err != nil {
		return err
	}
	if review.Remote, err = detach(review.Remote); err != nil {
		return err
	}
	place, ok := r.places[review.ID]
	if _, waits := r.waiting[place]; !ok || !waits {
		r.next++
		place = r.next
	}
	r.places[review.ID], r.waiting[place] = place, review
	return nil
}

// detach copies events, so that what a caller does with its own changes nothing.
func detach(events []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	copied := make([]synckit.EventWithVersion, len(events))
	for i, e := range events {
		encoded, err := synckit.Encode(e.Event)
		if err != nil {
			return nil, err
		}
		event, err := encoded.Decode()
		if err != nil {
			return nil, err
		}
		copied[i] = synckit.EventWithVersion{Event: event, Version: e.Version}
	}
	return copied, nil
}

// Review implements synckit.ReviewFinder.
func (s *Store) Review(ctx context.Context, id string) (synckit.Review, error) {
	const op = "find review"
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, op); err != nil {
		return synckit.Review{}, err
	}
	r, waits := s.reviews.waiting[s.reviews.places[id]]
	if !waits {
		return r, stored.NotWaiting(op, id)
	}
	r.Local, r.Remote = slices.Clone(r.Local), slices.Clone(r.Remote)
	return r, nil
}

// ReviewMark implements synckit.ReviewMarker. Who is added gets a place above all others,
// so the newest place and the number of those that wait tell.
func (s *Store) ReviewMark(ctx context.Context) (string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, "mark reviews"); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %d", s.reviews.next, len(s.reviews.waiting)), nil
}

// Reviews implements synckit.Log. after may be a review that was decided since.
func (s *Store) Reviews(ctx context.Context, after string, limit int) ([]synckit.Review, error) {
	const op = "list reviews"
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx, op); err != nil {
		return nil, err
	}
	place, ok := s.reviews.places[after]
	if after != "" && !ok {
		return nil, stored.NotWaiting(op, after)
	}
	var found []synckit.Review
	for _, p := range slices.Sorted(maps.Keys(s.reviews.waiting)) {
		if p > place && len(found) < limit {
			r := s.reviews.waiting[p]
			r.Local, r.Remote = slices.Clone(r.Local), slices.Clone(r.Remote)
			found = append(found, r)
		}
	}
	return found, nil
}
