package resolve

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	stderrors "errors"
	"slices"
	"strings"
	"time"

	"syncline/synckit"
)

// MergedKey is the metadata key of an event that a ThreeWayMerge made: the IDs of
// the events that it stands for, if these are not more than 32.
const MergedKey = "synckit.merged"

const maxMergedIDs = 32

// ThreeWayMerge merges events whose data says which fields of a JSON object were
// changed, as merge patches do (RFC 7396): a field is set to its value, or taken
// away if that is null; an object's fields are merged one by one; an array counts
// as one value. Events with the whole object fit too, if fields that are taken
// away are null.
//
// Where the sides set different fields, all their events are kept. Where they set
// the same ones, one new event stands for them all: a field that only one side
// changed, compared with Base, takes that change, and Fields decides the others.
// It is several events, each with some of the fields, if one would have more than
// 32 KiB. A single field that makes a larger one than any event of both sides is
// no merge that all peers take: Otherwise resolves then.
type ThreeWayMerge struct {
	// Base gives the object on which both sides build; nil: what FromLog says of the
	// manager's own log (outside of a manager it is not known). NoBase says that it is
	// not known: each field that a side sets then counts as changed.
	Base func(ctx context.Context, local, remote []synckit.EventWithVersion) (json.RawMessage, error)
	// Fields decides a field that both sides changed; nil: LastField.
	Fields FieldPolicy
	// Otherwise resolves conflicts of events whose data are no objects, or whose
	// merge is too large; nil: LastWriteWins.
	Otherwise synckit.ConflictResolver
	// Time tells when an event was written; nil: Timestamp.
	Time func(synckit.EventWithVersion) time.Time
}

var _ synckit.StoreResolver = ThreeWayMerge{}

// ForStore implements synckit.StoreResolver: without Base it is the store's.
func (r ThreeWayMerge) ForStore(store synckit.EventStore) synckit.ConflictResolver {
	if r.Base == nil {
		r.Base = FromLog(store)
	}
	r.Otherwise = forStore(r.Otherwise, store)
	return r
}

// forStore gives a resolver that looks at a store, if it is one that does.
func forStore(r synckit.ConflictResolver, store synckit.EventStore) synckit.ConflictResolver {
	if looking, ok := r.(synckit.StoreResolver); ok {
		return looking.ForStore(store)
	}
	return r
}

// NoBase is a ThreeWayMerge's Base that knows none.
func NoBase(context.Context, []synckit.EventWithVersion, []synckit.EventWithVersion) (json.RawMessage, error) {
	return nil, nil
}

// Field is a field that both sides changed, to different values.
type Field struct {
	Path []string // the names of the objects around it, then its own
	// Base, Local and Remote are its values as JSON; null: it was taken away. Base
	// is nil where it is not known or had no such field.
	Base, Local, Remote json.RawMessage
	// LocalEvent and RemoteEvent are the last of each side that set it.
	LocalEvent, RemoteEvent synckit.EventWithVersion
	// LocalIsLater says that LocalEvent was written after RemoteEvent, as
	// LastWriteWins sees it.
	LocalIsLater bool
}

// FieldPolicy decides a field: it returns its value. It must not care which side
// is called local. An error ends the merge; synckit.ErrReview leaves the conflict
// to a person.
type FieldPolicy func(ctx context.Context, field Field) (json.RawMessage, error)

// LastField takes the value that was written last.
func LastField(_ context.Context, f Field) (json.RawMessage, error) {
	if f.LocalIsLater {
		return f.Local, nil
	}
	return f.Remote, nil
}

// FirstField takes the value that was written first.
func FirstField(_ context.Context, f Field) (json.RawMessage, error) {
	if f.LocalIsLater {
		return f.Remote, nil
	}
	return f.Local, nil
}

// ReviewField leaves the conflict to a person.
func ReviewField(context.Context, Field) (json.RawMessage, error) { return nil, synckit.ErrReview }

// Resolve implements synckit.ConflictResolver.
func (r ThreeWayMerge) Resolve(ctx context.Context, local, remote []synckit.EventWithVersion) ([]synckit.EventWithVersion, error) {
	m, err := r.begin(ctx, local, remote)
	if stderrors.Is(err, errNoObject) {
		return r.otherwise().Resolve(ctx, local, remote)
	}
	if err != nil {
		return nil, err
	}
	if disjoint(m.local.patch, m.remote.patch) {
		return merged(local, remote), nil
	}
	result, err := m.merge(ctx, nil, m.base, m.local.patch, m.remote.patch)
	if err != nil {
		return nil, err
	}
	var made []synckit.EventWithVersion
	for _, piece := range pieces(result) {
		event, err := m.event(piece)
		if err != nil {
			return nil, err
		}
		if m.tooLarge(event) {
			return r.otherwise().Resolve(ctx, local, remote)
		}
		made = append(made, synckit.EventWithVersion{Event: event})
	}
	return made, nil
}

func (r ThreeWayMerge) otherwise() synckit.ConflictResolver {
	if r.Otherwise == nil {
		return LastWriteWins{Time: r.Time}
	}
	return r.Otherwise
}

// merge is one conflict of a ThreeWayMerge.
type merge struct {
	local, remote side
	base          any // nil: not known
	policy        FieldPolicy
	time          timing
}

// side is what one side's events do together.
type side struct {
	events []synckit.EventWithVersion
	each   []fields
	patch  fields
}

func (r ThreeWayMerge) begin(ctx context.Context, local, remote []synckit.EventWithVersion) (m merge, err error) {
	m.policy, m.time = r.Fields, r.Time
	if m.policy == nil {
		m.policy = LastField
	}
	if m.local, err = readSide(local); err != nil {
		return m, err
	}
	if m.remote, err = readSide(remote); err != nil || r.Base == nil {
		return m, err
	}
	base, err := r.Base(ctx, local, remote)
	if err != nil || len(base) == 0 {
		return m, err
	}
	m.base, err = parseFields(base)
	return m, err
}

func readSide(events []synckit.EventWithVersion) (side, error) {
	s := side{events: events}
	for _, e := range events {
		patch, err := fieldsOf(e.Event)
		if err != nil {
			return s, err
		}
		s.each = append(s.each, patch)
		s.patch = follow(s.patch, patch)
	}
	return s, nil
}

// last is the side's last event that set a field.
func (s side) last(at fieldPath) synckit.EventWithVersion {
	for i, patch := range slices.Backward(s.each) {
		if _, sets := at.at(patch); sets {
			return s.events[i]
		}
	}
	return s.events[len(s.events)-1] // it set an object around the field
}

func (m merge) merge(ctx context.Context, at fieldPath, base any, local, remote fields) (fields, error) {
	result := fields{}
	for _, name := range names(local, remote) {
		value, err := m.field(ctx, at.to(name), base, local, remote)
		if err != nil {
			return nil, err
		}
		result[name] = value
	}
	return result, nil
}

func (m merge) field(ctx context.Context, at fieldPath, base any, local, remote fields) (any, error) {
	name := at[len(at)-1]
	mine, here := local[name]
	theirs, there := remote[name]
	before, known := fieldPath{name}.at(base)
	known = known || base != nil // what the base does not have was null
	switch {
	case !there || equal(mine, theirs):
		return mine, nil
	case !here:
		return theirs, nil
	}
	inner, ok := mine.(fields)
	innerTheirs, objects := theirs.(fields)
	switch {
	case ok && objects:
		return m.merge(ctx, at, before, inner, innerTheirs)
	case known && equal(mine, before):
		return theirs, nil
	case known && equal(theirs, before):
		return mine, nil
	}
	return m.decide(ctx, at, before, mine, theirs)
}

func (m merge) decide(ctx context.Context, at fieldPath, base, local, remote any) (any, error) {
	f := Field{Path: at, LocalEvent: m.local.last(at), RemoteEvent: m.remote.last(at)}
	f.LocalIsLater = m.later(f.LocalEvent, f.RemoteEvent)
	for _, value := range []struct {
		from any
		to   *json.RawMessage
	}{{base, &f.Base}, {local, &f.Local}, {remote, &f.Remote}} {
		if value.to == &f.Base && base == nil {
			continue
		}
		text, err := json.Marshal(value.from)
		if err != nil {
			return nil, err
		}
		*value.to = text
	}
	decided, err := m.policy(ctx, f)
	if err != nil {
		return nil, err
	}
	return decided, nil
}

func (m merge) later(local, remote synckit.EventWithVersion) bool {
	a, b := sided{EventWithVersion: local}, sided{EventWithVersion: remote, remote: true}
	if before(a, b) || before(b, a) {
		return before(b, a)
	}
	return m.time.among([]synckit.EventWithVersion{local, remote})(local, remote) > 0
}

// latest is the last of all events, after which the merged one is named.
func (m merge) latest() synckit.EventWithVersion {
	local, remote := m.local.events[len(m.local.events)-1], m.remote.events[len(m.remote.events)-1]
	if m.later(local, remote) {
		return local
	}
	return remote
}

// event makes the event that stands for both sides. All of it follows from them.
func (m merge) event(result fields) (synckit.Event, error) {
	data, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	latest := m.latest()
	var ids []string
	for _, e := range slices.Concat(m.local.events, m.remote.events) {
		ids = append(ids, e.Event.ID())
	}
	slices.Sort(ids)
	metadata, prefix := map[string]any{MergedKey: ids}, "merged:"
	if len(ids) > maxMergedIDs {
		delete(metadata, MergedKey)
		prefix = "merged-many:"
	}
	if at, ok := latest.Event.Metadata()[TimestampKey]; ok {
		metadata[TimestampKey] = at
	}
	if at, ok := latest.Event.Metadata()[synckit.TimeKey]; ok {
		metadata[synckit.TimeKey], prefix = at, "merged-at:"
	}
	id := prefix + digest(append([]string{latest.Event.Type(), string(data)}, ids...))
	return synckit.NewEvent(id, latest.Event.Type(), latest.Event.AggregateID(), json.RawMessage(data), metadata), nil
}

func digest(parts []string) string {
	var text strings.Builder
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part))
		text.Write(sum[:])
	}
	sum := sha256.Sum256([]byte(text.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
