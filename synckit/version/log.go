package version

import (
	"context"
	"fmt"
	"strings"

	"syncline/synckit"
	"syncline/synckit/cursor"
	"syncline/synckit/errors"
)

// versionedLog is a VersionedStore over a log.
type versionedLog struct {
	synckit.Log
	versions *giver
	seen     synckit.Position // up to which versions were taken note of
	checked  synckit.Position // up to which the checkpoint covers the log
}

// learnPage is how many entries are read at once, and how many may come after a
// checkpoint before the next.
const learnPage = 1000

// learn takes note of what is stored, from the last checkpoint on.
func (l *versionedLog) learn(ctx context.Context) error {
	text, err := l.Cursor(ctx, l.checkpointName(), checkpointDirection)
	if err != nil {
		return err
	}
	l.resume(text)
	nodeID, err := l.Cursor(ctx, l.checkpointName(), nodeDirection)
	if err != nil {
		return err
	}
	if nodeID != "" {
		l.versions.nodeID = nodeID
	}
	return l.catchUp(ctx)
}

// catchUp takes note of entries that are new since.
func (l *versionedLog) catchUp(ctx context.Context) error {
	for {
		entries, err := l.Read(ctx, l.seen, learnPage)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			l.versions.stored(e.Version)
			l.seen = e.Position
		}
	}
}

// Store implements synckit.EventStore. It commits, to learn whether the event is
// new; a commit would keep a clock that the event came with, Store does not.
func (l *versionedLog) Store(ctx context.Context, event synckit.Event, version synckit.Version) error {
	if synckit.ClockOf(event) > 0 {
		var err error
		if event, err = withoutClock(event); err != nil {
			return err
		}
	}
	entry := synckit.Entry{EventWithVersion: synckit.EventWithVersion{Event: event, Version: version}}
	_, err := l.commit(ctx, "store", synckit.Commit{Append: []synckit.Entry{entry}})
	return err
}

func withoutClock(event synckit.Event) (synckit.Event, error) {
	encoded, err := synckit.Encode(event)
	if err != nil {
		return nil, err
	}
	return encoded.WithClock(0).Decode()
}

// Commit implements synckit.Log. Entries without origin and version are this
// node's own; the others' versions are taken note of, in order.
func (l *versionedLog) Commit(ctx context.Context, commit synckit.Commit) (synckit.Committed, error) {
	return l.commit(ctx, "commit", commit)
}

func (l *versionedLog) commit(ctx context.Context, op string, commit synckit.Commit) (synckit.Committed, error) {
	l.versions.Lock()
	defer l.versions.Unlock()
	if err := ended(ctx, op); err != nil {
		return synckit.Committed{}, err
	}
	made, nodeID, err := l.versioned(&commit)
	if err != nil {
		return synckit.Committed{}, err
	}
	checkpoint := l.addCheckpoint(&commit)
	committed, err := l.Log.Commit(ctx, commit)
	if err != nil {
		l.versions.failed(err, made)
		return committed, err
	}
	l.versions.nodeID = nodeID
	l.checked = max(l.checked, checkpoint)
	l.take(ctx, commit.Append, committed)
	return committed, nil
}

// versioned gives versions to a commit's own events, and tells how many, and the node
// that goes on after it.
func (l *versionedLog) versioned(commit *synckit.Commit) (made int, nodeID string, err error) {
	clone := l.versions.manager.Clone()
	giver := &giver{base: l.versions.base, nodeID: l.versions.nodeID}
	entries := make([]synckit.Entry, len(commit.Append))
	for i, e := range commit.Append {
		switch {
		case e.Version != nil:
			if other := giver.another(clone.CurrentVersion(), e.Version); other != "" {
				giver.nodeID = other
				commit.Cursors = append(commit.Cursors[:len(commit.Cursors):len(commit.Cursors)],
					synckit.Cursor{Peer: l.checkpointName(), Direction: nodeDirection, Value: other})
			}
			_ = clone.UpdateFromVersion(e.Version) // one that it cannot take in is stored all the same
		case e.Origin == "":
			if e.Version, err = giver.next(clone); err != nil {
				return made, "", err
			}
			made++
		}
		entries[i] = e
	}
	commit.Append = entries
	return made, giver.nodeID, nil
}

// take notes the versions of what was appended. If the log has more than that,
// somebody wrote to it directly, and it is read; where that fails the commit
// stands all the same, and the next one reads.
func (l *versionedLog) take(ctx context.Context, entries []synckit.Entry, committed synckit.Committed) {
	appended := map[string]bool{}
	for _, id := range committed.Appended {
		appended[id] = true
	}
	for _, e := range entries {
		if id := e.Event.ID(); appended[id] {
			delete(appended, id)
			l.versions.stored(e.Version)
		}
	}
	if committed.Latest == l.seen+synckit.Position(len(committed.Appended)) {
		l.seen = committed.Latest
		return
	}
	_ = l.catchUp(context.WithoutCancel(ctx))
}

// LatestVersion implements synckit.EventStore.
func (l *versionedLog) LatestVersion(ctx context.Context) (synckit.Version, error) {
	return l.versions.latest(l.Log.LatestVersion(ctx))
}

// Review implements synckit.ReviewFinder, if the log below does.
func (l *versionedLog) Review(ctx context.Context, id string) (synckit.Review, error) {
	if below, ok := l.Log.(synckit.ReviewFinder); ok {
		return below.Review(ctx, id)
	}
	return synckit.Review{}, errors.New(errors.Unsupported, "find review", nil)
}

// ReviewMark implements synckit.ReviewMarker, if the log below does.
func (l *versionedLog) ReviewMark(ctx context.Context) (string, error) {
	if below, ok := l.Log.(synckit.ReviewMarker); ok {
		return below.ReviewMark(ctx)
	}
	return "", errors.New(errors.Unsupported, "mark reviews", nil)
}

// Drop implements synckit.Dropper, if the log below does. First it keeps what the versions of all
// entries say: those that are dropped tell it no more.
func (l *versionedLog) Drop(ctx context.Context, aggregateID string, ids []string) error {
	below, ok := l.Log.(synckit.Dropper)
	if !ok {
		return errors.New(errors.Unsupported, "drop", nil)
	}
	if err := l.keepVersions(ctx); err != nil {
		return err
	}
	return below.Drop(ctx, aggregateID, ids)
}

func (l *versionedLog) keepVersions(ctx context.Context) error {
	l.versions.Lock()
	defer l.versions.Unlock()
	if err := l.catchUp(ctx); err != nil {
		return err
	}
	var keep synckit.Commit
	l.checkpoint(&keep)
	_, err := l.Log.Commit(ctx, keep)
	return err
}

// Ambiguous implements synckit.ForkFinder.
func (l *versionedLog) Ambiguous(seen []synckit.Version) func(own synckit.Version) bool {
	return l.versions.ambiguous(seen)
}

// ParseVersion implements VersionedStore.
func (l *versionedLog) ParseVersion(ctx context.Context, text string) (synckit.Version, error) {
	return parseFor(ctx, l.Log, text)
}

// A checkpoint saves reading the whole log at the next start. It is kept as a
// cursor, beside those of peers: what the manager knew of all up to a position.
const checkpointDirection synckit.Direction = "versions"

// nodeDirection is that of the node ID that took the place of the app's.
const nodeDirection synckit.Direction = "node"

func (l *versionedLog) checkpointName() string { return "synckit.version/" + l.versions.base }

// addCheckpoint adds one to a commit when one is due. It covers what was seen
// before the commit.
func (l *versionedLog) addCheckpoint(commit *synckit.Commit) synckit.Position {
	if l.seen < l.checked+learnPage {
		return 0
	}
	return l.checkpoint(commit)
}

func (l *versionedLog) checkpoint(commit *synckit.Commit) synckit.Position {
	current := l.versions.manager.CurrentVersion()
	switch current.(type) {
	case VectorClock, HLC: // Parse reads them again
	default:
		return 0
	}
	commit.Cursors = append(commit.Cursors[:len(commit.Cursors):len(commit.Cursors)], synckit.Cursor{
		Peer: l.checkpointName(), Direction: checkpointDirection,
		Value: fmt.Sprintf("%d %t %s", l.seen, l.versions.unversioned, current),
	})
	return l.seen
}

// resume begins at a checkpoint. One that cannot be read is as good as none.
func (l *versionedLog) resume(text string) {
	positionText, rest, _ := strings.Cut(text, " ")
	unversioned, clockText, _ := strings.Cut(rest, " ")
	position, err := cursor.Parse(positionText)
	if err != nil {
		return
	}
	clock, err := Parse(clockText)
	if err != nil || l.versions.manager.UpdateFromVersion(clock) != nil {
		return
	}
	l.versions.unversioned = unversioned == "true"
	l.seen = synckit.Position(position.Seq)
	l.checked = l.seen
}
