package version

import (
	"context"
	"crypto/rand"
	stderrors "errors"
	"fmt"
	"sync"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

// VersionedStore is a store that gives each event stored here without a version
// the next version of its node. It is a synckit.Log if the store below is.
type VersionedStore interface {
	synckit.EventStore
	// ParseVersion reads a version from its text, as the store below does if it
	// can.
	ParseVersion(ctx context.Context, text string) (synckit.Version, error)
}

// NewVersionedStore puts versions on what a store gets:
//
//	err = store.Store(ctx, event, nil) // nil: the next version of this node
//
// The manager takes note of all versions that are stored, those of other nodes'
// events too, and of those that the store has already. Versions that it cannot
// take in, of another kind or beyond its limits, are stored all the same: later
// events then do not claim to have known them.
//
// A node ID belongs to one store, and one VersionedStore at a time may write to
// it: else two events would bear one version. A node that was restored from a backup, or
// reinstalled under its old ID, finds that out when it meets what it had written
// before, and goes on under an ID of its own making. The manager must not give versions
// to anything else. Closing the VersionedStore closes the store below.
func NewVersionedStore(store synckit.EventStore, nodeID string, manager VersionManager) (VersionedStore, error) {
	const op = "make versioned store"
	switch {
	case store == nil || manager == nil:
		return nil, errors.New(errors.InvalidOptions, op, fmt.Errorf("the store or the manager is missing"))
	case CheckNodeID(nodeID) != nil:
		return nil, errors.New(errors.InvalidOptions, op, CheckNodeID(nodeID))
	}
	versions := &giver{base: nodeID, nodeID: nodeID, manager: manager}
	if log, ok := store.(synckit.Log); ok {
		s := &versionedLog{Log: log, versions: versions}
		return opened(s, s.learn(context.Background()))
	}
	s := &versionedStore{EventStore: store, versions: versions}
	return opened(s, s.learn(context.Background()))
}

func opened(s VersionedStore, err error) (VersionedStore, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// giver makes versions and takes note of them. Its lock is held from a version's
// making to its event's storing.
type giver struct {
	sync.Mutex
	base        string // the node ID that the app gave
	nodeID      string // that, or one that took its place
	manager     VersionManager
	unversioned bool // some event has no version of the manager's kind
}

// another is a node ID to go on with, if a version that comes from elsewhere has a
// higher counter of this node than this node ever gave: the node was restored from a
// backup, or reinstalled under its old name, and its next versions would be those of events
// that others know already. Empty: go on.
func (g *giver) another(known, seen synckit.Version) string {
	had, ok := known.(VectorClock)
	got, both := seen.(VectorClock)
	if !ok || !both || got.Counter(g.nodeID) <= had.Counter(g.nodeID) {
		return ""
	}
	other := g.base + "~" + rand.Text()[:10]
	if CheckNodeID(other) != nil {
		return "" // there is no room in the name
	}
	return other
}

// ambiguous implements synckit.ForkFinder: once the node goes on under another ID, the
// versions that it gave before are in doubt.
func (g *giver) ambiguous(seen []synckit.Version) func(own synckit.Version) bool {
	g.Lock()
	defer g.Unlock()
	nodeID, known := g.nodeID, g.manager.CurrentVersion()
	for _, v := range seen {
		if g.another(known, v) != "" {
			nodeID = ""
		}
	}
	return func(own synckit.Version) bool {
		clock, ok := own.(VectorClock)
		return ok && nodeID != g.base && (nodeID == "" || clock.Counter(nodeID) == 0)
	}
}

// next makes a version with a clone of the manager, so that one whose event is
// not stored was never given.
func (g *giver) next(clone VersionManager) (synckit.Version, error) {
	version := clone.NextVersion(g.nodeID)
	if version == nil || version.IsZero() {
		return nil, errors.New(errors.TooLarge, "make version", fmt.Errorf("no version is left for node %.80q", g.nodeID))
	}
	return version, nil
}

// stored takes note of the version of an event that is stored.
func (g *giver) stored(version synckit.Version) {
	hlc, isHLC := version.(HLC)
	if m, ok := g.manager.(*hlcManager); ok && isHLC && hlc.Node == g.nodeID {
		m.trust(hlc)
		return
	}
	if version == nil || g.manager.UpdateFromVersion(version) != nil {
		g.unversioned = true
	}
}

// failed skips as many versions as were made, if their events may be stored all
// the same: the error of a disk or a context leaves that open. To skip a version
// does no harm, to use it for two events would.
func (g *giver) failed(err error, made int) {
	if !errors.IsRetryable(err) {
		return
	}
	for range made {
		g.manager.NextVersion(g.nodeID)
	}
}

// latest is the manager's version if it says of each event whether it is known,
// and all events have one of its kind; else it is that of the store below.
func (g *giver) latest(below synckit.Version, err error) (synckit.Version, error) {
	g.Lock()
	defer g.Unlock()
	current, causal := g.manager.CurrentVersion().(synckit.CausalVersion)
	if err != nil || g.unversioned || !causal {
		return below, err
	}
	return current, nil
}

// ended is the error of a context that has ended before anything was done.
func ended(ctx context.Context, op string) error {
	if err := ctx.Err(); stderrors.Is(err, context.DeadlineExceeded) {
		return errors.New(errors.Timeout, op, err)
	}
	return ctx.Err()
}

// versionedStore is a VersionedStore over a store that is no log.
type versionedStore struct {
	synckit.EventStore
	versions *giver
}

func (s *versionedStore) learn(ctx context.Context) error {
	events, err := s.Load(ctx, cursor.IntegerCursor{}) // not every store asks whether there is a version
	for _, e := range events {
		s.versions.stored(e.Version)
	}
	return err
}

// Store implements synckit.EventStore.
func (s *versionedStore) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	s.versions.Lock()
	defer s.versions.Unlock()
	if err := ended(ctx, "store"); err != nil {
		return err
	}
	made, other := 0, ""
	if version != nil {
		other = s.versions.another(s.versions.manager.CurrentVersion(), version)
	} else {
		var err error
		if version, err = s.versions.next(s.versions.manager.Clone()); err != nil {
			return err
		}
		made = 1
	}
	err := s.EventStore.Store(ctx, event, version)
	if err == nil && other != "" {
		s.versions.nodeID = other
	}
	if err != nil {
		s.versions.failed(err, made)
		return err
	}
	s.versions.stored(version)
	return nil
}

// Ambiguous implements synckit.ForkFinder.
func (s *versionedStore) Ambiguous(seen []synckit.Version) func(own synckit.Version) bool {
	return s.versions.ambiguous(seen)
}

// LatestVersion implements synckit.EventStore.
func (s *versionedStore) LatestVersion(ctx context.Context) (synckit.Version, error) {
	return s.versions.latest(s.EventStore.LatestVersion(ctx))
}

// ParseVersion implements VersionedStore.
func (s *versionedStore) ParseVersion(ctx context.Context, text string) (synckit.Version, error) {
	return parseFor(ctx, s.EventStore, text)
}

func parseFor(ctx context.Context, store synckit.EventStore, text string) (synckit.Version, error) {
	type parser interface {
		ParseVersion(ctx context.Context, text string) (synckit.Version, error)
	}
	if p, ok := store.(parser); ok {
		return p.ParseVersion(ctx, text)
	}
	return Parse(text)
}
