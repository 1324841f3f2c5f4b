package client

import (
	"fmt"
	"time"
)

// Revision counts an owner's accepted writes. A record carries the revision of
// its last write. 0 stands for none: before the first write, or a record that
// does not exist yet.
type Revision int64

// FenceToken grows with each grant of a lock that joins no live holder. The
// first is 1.
type FenceToken int64

// Cursor is an opaque position in an owner's feed, to be stored as it came.
type Cursor string

const (
	// Beginning is the start of the feed. Reading from there leaves out the
	// deletions that happened before.
	Beginning Cursor = ""
	// Now is the end of the feed, for Follow: what happened before is left out.
	Now Cursor = "now"
)

// Record is one item of an owner's data, or the tombstone that a deletion left.
type Record struct {
	ID            string    `json:"id"`
	Data          []byte    `json:"data"` // nil in a tombstone
	Revision      Revision  `json:"revision"`
	SchemaVersion string    `json:"schemaVersion"`
	Deleted       bool      `json:"deleted"`
	ClientID      string    `json:"clientId"`  // what the last writer calls itself; empty if it gave nothing
	UpdatedAt     time.Time `json:"updatedAt"` // by the server's clock, for people to read: order is in Revision
}

// Page is a part of the feed, read at one instant.
type Page struct {
	// Records are in ascending order of revision, tombstones among them.
	Records []Record `json:"records"`
	// Cursor is the position right after the page. Store it once the page is applied.
	Cursor Cursor `json:"cursor"`
	// HasMore is true if there is more to read now. Where it is false, what was
	// read so far equals the server's state.
	HasMore bool `json:"hasMore"`
	// Head is the owner's newest revision.
	Head Revision `json:"head"`
}

// Viewer is who the client is to the server, and what its data adds up to.
type Viewer struct {
	ID          string   `json:"id"` // the public key, 66 lower-case hexadecimal characters
	Head        Revision `json:"head"`
	Cursor      Cursor   `json:"cursor"`      // the position after everything written so far
	RecordCount int      `json:"recordCount"` // live records
	StoredBytes int64    `json:"storedBytes"` // of their data
}

// Limits are what the server holds its clients to.
type Limits struct {
	MaxRecordBytes       int    `json:"maxRecordBytes"`
	MaxBatch             int    `json:"maxBatch"`
	MaxPage              int    `json:"maxPage"`
	MaxPageBytes         int    `json:"maxPageBytes"`
	MaxRequestBytes      int    `json:"maxRequestBytes"`
	RequestWindowSeconds int    `json:"requestWindowSeconds"`
	MaxRecords           *int   `json:"maxRecords"`     // nil: unlimited
	MaxStoredBytes       *int64 `json:"maxStoredBytes"` // nil: unlimited
	// TombstoneRetentionSeconds is for how long deletes are remembered; a device that was
	// away for longer walks from Beginning. nil: for ever.
	TombstoneRetentionSeconds *int `json:"tombstoneRetentionSeconds"`
	// MutationRetentionSeconds is for how long mutation ids are remembered, a day or
	// more; an older write must not be sent again under its id. nil: for ever.
	MutationRetentionSeconds *int      `json:"mutationRetentionSeconds"`
	ServerTime               time.Time `json:"serverTime"`
}

// Lock is the state of a lock at one instant.
type Lock struct {
	Name      string       `json:"name"`
	Locked    bool         `json:"locked"`
	Exclusive bool         `json:"exclusive"` // false while nobody holds it
	Holders   []LockHolder `json:"holders"`
}

// LockHolder is an app instance that holds a lock.
type LockHolder struct {
	InstanceID string     `json:"instanceId"`
	Token      FenceToken `json:"token"`
	ExpiresAt  time.Time  `json:"expiresAt"` // by the server's clock
}

// EventKind is what an Event tells.
type EventKind string

const (
	// Changed: a record was written or deleted.
	Changed EventKind = "CHANGED"
	// CaughtUp: all that was there when the connection began was delivered;
	// what follows is live. It comes once for each connection.
	CaughtUp EventKind = "CAUGHT_UP"
)

// Event is what Follow yields.
type Event struct {
	Kind EventKind `json:"kind"`
	// Record is the record in its latest state; zero unless Kind is Changed.
	Record Record `json:"record"`
	// Cursor is the position right after the event. Store it once the event is
	// applied.
	Cursor Cursor `json:"cursor"`
}

func (e Event) String() string {
	if e.Kind != Changed {
		return string(e.Kind)
	}
	return fmt.Sprintf("%s %s at revision %d", e.Kind, e.Record.ID, e.Record.Revision)
}
