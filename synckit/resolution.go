package synckit

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// ResolutionType is the type of events that hold resolutions.
const ResolutionType = "synckit.resolution"

// reservedPrefix begins the types that the library keeps for itself.
const reservedPrefix = "synckit."

// Resolution is how a conflict was decided. It is the data of an event of type
// ResolutionType in the aggregate that it concerns.
type Resolution struct {
	// Kept are the IDs of the events that count, in the order in which they do.
	Kept []string `json:"kept"`
	// Made are those of Kept that the decision brought along.
	Made []string `json:"made,omitempty"`
	// Superseded are the IDs of the events that no longer count.
	Superseded []string `json:"superseded,omitempty"`
	// Group names a resolution that is too large for one event. It is written in
	// as many events as Parts says, of which this one is Part (1 for the first),
	// and does nothing until all are there. Empty: this is all of it.
	Group string `json:"group,omitempty"`
	Part  int    `json:"part,omitempty"`
	Parts int    `json:"parts,omitempty"`
}

// maxResolutionBytes bounds the data of an event that holds a resolution, or a
// part of one, so that every transport carries it. An ID alone has less.
const maxResolutionBytes = 32 << 10

// ReadResolution gives the resolution that an event holds, or the part of one, if
// it makes sense: if it decides something, and names nothing on both sides.
func ReadResolution(e Event) (Resolution, bool) {
	var r Resolution
	if e.Type() != ResolutionType || DecodeData(e, &r) != nil {
		return Resolution{}, false
	}
	kept := setOf(r.Kept)
	if slices.ContainsFunc(r.Superseded, kept.has) || slices.ContainsFunc(r.Made, kept.lacks) {
		return Resolution{}, false
	}
	return r, r.Group != "" || len(r.inputs()) > 0
}

// inputs are the IDs between which the resolution decided.
func (r Resolution) inputs() []string {
	inputs, made := slices.Clone(r.Superseded), setOf(r.Made)
	for _, id := range r.Kept {
		if made.lacks(id) {
			inputs = append(inputs, id)
		}
	}
	return inputs
}

// idSet is a set of IDs.
type idSet map[string]struct{}

func setOf(ids []string) idSet {
	set := make(idSet, len(ids))
	for _, id := range ids {
		set[id] = struct{}{}
	}
	return set
}

func (s idSet) has(id string) bool {
	_, has := s[id]
	return has
}

func (s idSet) lacks(id string) bool { return !s.has(id) }

// events makes the events that hold the resolution: one, or several if that were
// too large. All of them follows from what is decided, so nodes that decide the
// same make the same events.
func (r Resolution) events(aggregateID string, clock uint64) ([]Event, error) {
	slices.Sort(r.Superseded)
	slices.Sort(r.Made)
	whole, err := r.event(aggregateID, clock)
	if err != nil || len(whole.Data().(json.RawMessage)) <= maxResolutionBytes {
		return []Event{whole}, err
	}
	parts := r.split()
	events := make([]Event, len(parts))
	for i, part := range parts {
		part.Group, part.Part, part.Parts = whole.ID(), i+1, len(parts)
		if events[i], err = part.event(aggregateID, clock); err != nil {
			return nil, err
		}
	}
	return events, nil
}

func (r Resolution) event(aggregateID string, clock uint64) (Event, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	id := ResolutionType + ":" + digest(aggregateID, string(data))
	return NewEvent(id, ResolutionType, aggregateID, json.RawMessage(data), map[string]interface{}{ClockKey: clock}), nil
}

// split parts a resolution. What is kept comes first; then what is superseded,
// each part with the last of what is kept: that way each says something by itself,
// to releases that do not know of parts.
func (r Resolution) split() []Resolution {
	var parts []Resolution
	made := setOf(r.Made)
	stands := Resolution{}
	for _, ids := range chunks(r.Kept) {
		part := Resolution{Kept: ids}
		for _, id := range ids {
			if made.has(id) {
				part.Made = append(part.Made, id)
			}
		}
		parts = append(parts, part)
	}
	if len(r.Kept) > 0 {
		last := r.Kept[len(r.Kept)-1]
		stands.Kept = []string{last}
		if made.has(last) {
			stands.Made = stands.Kept
		}
	}
	for _, ids := range chunks(r.Superseded) {
		parts = append(parts, Resolution{Kept: stands.Kept, Made: stands.Made, Superseded: ids})
	}
	return parts
}

// chunks cuts IDs so that the JSON of each chunk, twice in a part where all are
// made, leaves room for the rest of it.
func chunks(ids []string) (cut [][]string) {
	const most = (maxResolutionBytes - 4<<10) / 2
	start, size := 0, 0
	for i, id := range ids {
		quoted, _ := json.Marshal(id) // a string always marshals
		if i > start && size+len(quoted)+1 > most {
			cut = append(cut, ids[start:i])
			start, size = i, 0
		}
		size += len(quoted) + 1
	}
	if start < len(ids) {
		cut = append(cut, ids[start:])
	}
	return cut
}

// joined puts the parts of a group together, if all are there.
func joined(parts map[int]Resolution) (whole Resolution, all bool) {
	seen := idSet{}
	for i := 1; i <= len(parts); i++ {
		part, ok := parts[i]
		if !ok || part.Parts != len(parts) {
			return whole, false
		}
		for _, id := range part.Kept {
			if seen.lacks(id) {
				seen[id] = struct{}{}
				whole.Kept = append(whole.Kept, id)
			}
		}
		whole.Made = append(whole.Made, part.Made...)
		whole.Superseded = append(whole.Superseded, part.Superseded...)
	}
	return whole, len(whole.inputs()) > 0 && !slices.ContainsFunc(whole.Superseded, seen.has)
}

// digest names a list of texts.
func digest(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part))
		hash.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil))
}

func reserved(e Event) bool { return strings.HasPrefix(e.Type(), reservedPrefix) }
