package stored

import (
	"encoding/json"
	"time"

	"syncline/synckit"
	"syncline/synckit/cursor"
)

// review is a review as stores keep it. Byte slices keep names that are no UTF-8.
type review struct {
	ID, AggregateID, Peer, Reason []byte
	Local, Remote                 []reviewed
	Since                         time.Time
}

type reviewed struct {
	ID, Type, AggregateID []byte
	Data, Metadata        json.RawMessage `json:",omitempty"`
	Kind, Version         string          `json:",omitempty"`
}

// kindPosition is a version that a peer's log gave: a reviewed event is in no
// log of ours, so it keeps that.
const kindPosition = "position"

// EncodeReview gives what a store keeps of a review.
func EncodeReview(r synckit.Review) ([]byte, error) {
	local, err := encodeReviewed(r.Local)
	if err != nil {
		return nil, err
	}
	remote, err := encodeReviewed(r.Remote)
	if err != nil {
		return nil, err
	}
	return json.Marshal(review{
		ID: []byte(r.ID), AggregateID: []byte(r.AggregateID), Peer: []byte(r.Peer), Reason: []byte(r.Reason),
		Local: local, Remote: remote, Since: r.Since,
	})
}

func encodeReviewed(events []synckit.EventWithVersion) ([]reviewed, error) {
	kept := make([]reviewed, len(events))
	for i, e := range events {
		encoded, err := synckit.Encode(e.Event)
		if err != nil {
			return nil, err
		}
		kept[i] = reviewed{
			ID: []byte(encoded.ID), Type: []byte(encoded.Type), AggregateID: []byte(encoded.AggregateID),
			Data: encoded.Data, Metadata: encoded.Metadata,
		}
		kept[i].Kind, kept[i].Version = Kind(e.Version)
		if position, ok := e.Version.(cursor.IntegerCursor); ok {
			kept[i].Kind, kept[i].Version = kindPosition, position.String()
		}
	}
	return kept, nil
}

// Review reads what EncodeReview gave.
func (parse ParseVersion) Review(kept []byte) (synckit.Review, error) {
	var r review
	if err := json.Unmarshal(kept, &r); err != nil {
		return synckit.Review{}, err
	}
	local, err := parse.reviewed(r.Local)
	if err != nil {
		return synckit.Review{}, err
	}
	remote, err := parse.reviewed(r.Remote)
	if err != nil {
		return synckit.Review{}, err
	}
	return synckit.Review{
		ID: string(r.ID), AggregateID: string(r.AggregateID), Peer: string(r.Peer), Reason: string(r.Reason),
		Local: local, Remote: remote, Since: r.Since,
	}, nil
}

func (parse ParseVersion) reviewed(kept []reviewed) ([]synckit.EventWithVersion, error) {
	events := make([]synckit.EventWithVersion, len(kept))
	for i, k := range kept {
		event, err := synckit.EncodedEvent{
			ID: string(k.ID), Type: string(k.Type), AggregateID: string(k.AggregateID), Data: k.Data, Metadata: k.Metadata,
		}.Decode()
		if err != nil {
			return nil, err
		}
		version, err := parse.reviewedVersion(k)
		if err != nil {
			return nil, err
		}
		events[i] = synckit.EventWithVersion{Event: event, Version: version}
	}
	return events, nil
}

func (parse ParseVersion) reviewedVersion(k reviewed) (synckit.Version, error) {
	if k.Kind == kindPosition {
		return cursor.Parse(k.Version)
	}
	return parse.Version(k.Kind, k.Version)
}
