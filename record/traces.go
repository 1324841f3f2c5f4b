package record

import "errors"

// Bounds of what an owner keeps beside live records are never below these.
const (
	minTombstones    = 1000
	minMutationBytes = 256 << 10
	minLockRows      = 1000
)

// Traces bounds what writes leave beside live records; 0 is no bound. Past it the
// oldest are purged, whatever their age, down to three quarters.
type Traces struct {
	Tombstones    int64
	MutationBytes int64 // of remembered mutation ids
}

// Traces allows as many tombstones as records, and for mutation ids as many bytes as
// for data, and a little in any case.
func (q Quota) Traces() Traces {
	var t Traces
	if q.Records > 0 {
		t.Tombstones = max(q.Records, minTombstones)
	}
	if q.Bytes > 0 {
		t.MutationBytes = max(q.Bytes, minMutationBytes)
	}
	return t
}

// LockRows bounds the fences and holds of locks that are kept for an owner: to as many
// as records, and a little in any case; 0 is no bound. Past it those that are not used
// any more are purged early, down to three quarters.
func (q Quota) LockRows() int64 {
	if q.Records == 0 {
		return 0
	}
	return max(q.Records, minLockRows)
}

// Exceeded tells whether an owner has left more than that.
func (t Traces) Exceeded(a Account) bool {
	return t.Tombstones > 0 && a.Tombstones > t.Tombstones || t.MutationBytes > 0 && a.MutationBytes > t.MutationBytes
}

// full tells whether an owner has left a quarter more than that: the purge does not
// keep up, and what grows has to wait for it.
func (t Traces) full(a Account) bool {
	return Traces{t.Tombstones + t.Tombstones/4, t.MutationBytes + t.MutationBytes/4}.Exceeded(a)
}

var errTracesFull = errors.New("the owner has left too many tombstones or mutation ids; they are being purged")
