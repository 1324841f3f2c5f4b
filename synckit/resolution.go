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
}

// ReadResolution gives the resolution that an event holds, if it holds one that
// makes sense: one that decides something, and names nothing on both sides.
func ReadResolution(e Event) (Resolution, bool) {
	var r Resolution
	if e.Type() != ResolutionType || DecodeData(e, &r) != nil {
		return Resolution{}, false
	}
	kept := setOf(r.Kept)
	if slices.ContainsFunc(r.Superseded, kept.has) || slices.ContainsFunc(r.Made, kept.lacks) {
		return Resolution{}, false
	}
	return r, len(r.inputs()) > 0
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

// event makes the event that holds the resolution. All of it follows from what
// is decided, so nodes that decide the same make the same event.
func (r Resolution) event(aggregateID string, clock uint64) (Event, error) {
	slices.Sort(r.Superseded)
	slices.Sort(r.Made)
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	id := ResolutionType + ":" + digest(aggregateID, string(data))
	return NewEvent(id, ResolutionType, aggregateID, json.RawMessage(data), map[string]interface{}{ClockKey: clock}), nil
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
