package version

import (
	"fmt"
	"math"
	"sync"
	"time"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// HLCOptions say how a hybrid logical clock runs. Zero values stand for the
// defaults.
type HLCOptions struct {
	// Now is the node's wall clock; nil: time.Now.
	Now func() time.Time
	// MaxDrift is how far ahead of Now a time from elsewhere may be; 0: 1 minute. A
	// clock that is further ahead is wrong, and to follow it would spoil the times
	// of all.
	MaxDrift time.Duration
}

const defaultMaxDrift = time.Minute

// NewHLCManager returns a manager of hybrid logical times that knows nothing. Its
// next version is above all that it knows, and is the wall clock's time where that
// suffices. UpdateFromVersion refuses times too far ahead with code TooLarge: a
// versioned store then keeps such an event as it is, but the times of later
// events do not follow it.
func NewHLCManager(options HLCOptions) VersionManager {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.MaxDrift == 0 {
		options.MaxDrift = defaultMaxDrift
	}
	return &hlcManager{options: options}
}

type hlcManager struct {
	options HLCOptions
	mu      sync.Mutex
	highest HLC
}

// CurrentVersion is the highest time known.
func (m *hlcManager) CurrentVersion() synckit.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.highest
}

func (m *hlcManager) NextVersion(nodeID string) synckit.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.highest = m.highest.next(m.options.Now().UnixMicro(), nodeID)
	return m.highest
}

func (h HLC) next(now int64, node string) HLC {
	switch {
	case now > h.WallMicros:
		return HLC{WallMicros: now, Node: node}
	case h.Counter < math.MaxUint32:
		return HLC{WallMicros: h.WallMicros, Counter: h.Counter + 1, Node: node}
	default:
		return HLC{WallMicros: h.WallMicros + 1, Node: node}
	}
}

// UpdateFromVersion takes hybrid logical times only.
func (m *hlcManager) UpdateFromVersion(version synckit.Version) error {
	const op = "update hybrid logical clock"
	hlc, ok := version.(HLC)
	if !ok {
		return errors.New(errors.InvalidVersion, op, fmt.Errorf("%T is not a hybrid logical time", version))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if limit := m.options.Now().Add(m.options.MaxDrift).UnixMicro(); hlc.WallMicros > limit && hlc.WallMicros > m.highest.WallMicros {
		return errors.New(errors.TooLarge, op, fmt.Errorf("%s is more than %s ahead of this clock", hlc, m.options.MaxDrift))
	}
	m.raise(hlc)
	return nil
}

// trust takes in a time of this node's own, however far ahead it is: the clock was
// set back since.
func (m *hlcManager) trust(own HLC) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raise(own)
}

func (m *hlcManager) raise(to HLC) {
	if to.Compare(m.highest) > 0 {
		m.highest = to
	}
}

func (m *hlcManager) Clone() VersionManager {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &hlcManager{options: m.options, highest: m.highest}
}
