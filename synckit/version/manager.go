package version

import (
	"fmt"
	"sync"

	"syncline/synckit"
	"syncline/synckit/errors"
)

// VersionManager gives versions to what a node writes. It is safe for
// concurrent use.
type VersionManager interface { //nolint:revive // Go Sync Kit's name
	// CurrentVersion is of all that is known.
	CurrentVersion() synckit.Version
	// NextVersion is for the next event of a node; the manager then knows it. A
	// zero version says that there is none.
	NextVersion(nodeID string) synckit.Version
	// UpdateFromVersion takes note of a version seen elsewhere.
	UpdateFromVersion(version synckit.Version) error
	// Clone is a manager that knows the same and goes its own way.
	Clone() VersionManager
}

// NewVectorClockManager returns a manager of vector clocks that knows nothing.
func NewVectorClockManager() VersionManager { return &vectorClockManager{} }

type vectorClockManager struct {
	mu    sync.Mutex
	clock VectorClock
}

func (m *vectorClockManager) CurrentVersion() synckit.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clock
}

// NextVersion gives none where the clock would exceed its limits.
func (m *vectorClockManager) NextVersion(nodeID string) synckit.Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, err := m.clock.Increment(nodeID)
	if err != nil {
		return VectorClock{}
	}
	m.clock = next
	return next
}

// UpdateFromVersion takes vector clocks only.
func (m *vectorClockManager) UpdateFromVersion(version synckit.Version) error {
	clock, ok := version.(VectorClock)
	if !ok {
		return errors.New(errors.InvalidVersion, "update vector clock", fmt.Errorf("%T is not a vector clock", version))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	merged, err := m.clock.Merge(clock)
	if err != nil {
		return err
	}
	m.clock = merged
	return nil
}

func (m *vectorClockManager) Clone() VersionManager {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &vectorClockManager{clock: m.clock}
}
