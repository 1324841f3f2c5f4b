package record

import "fmt"

// Quota is what an owner may keep; 0 is no bound.
type Quota struct {
	Records int64 // live ones
	Bytes   int64 // of their data
}

// Unbounded stands for no bound in a quota of an owner's own.
const Unbounded = -1

// Of is an owner's quota: its own, and q where it has none.
func (q Quota) Of(a Account) Quota {
	choose := func(own, servers int64) int64 {
		if own == 0 {
			return servers
		}
		return max(own, 0)
	}
	return Quota{Records: choose(a.Own.Records, q.Records), Bytes: choose(a.Own.Bytes, q.Bytes)}
}

// QuotaExceededError says that a write would grow what is over the owner's quota.
type QuotaExceededError struct {
	Quota
	RecordCount, StoredBytes int64 // what the owner keeps, without the write
}

func (e *QuotaExceededError) Error() string {
	return fmt.Sprintf("the quota is used up: %d of %s records and %d of %s bytes are stored; delete what is not needed",
		e.RecordCount, bound(e.Records), e.StoredBytes, bound(e.Bytes))
}

func bound(n int64) string {
	if n == 0 {
		return "any number of"
	}
	return fmt.Sprint(n)
}

// check refuses what grows records or bytes that are over their bound afterwards.
// So an owner who is over it, because it was lowered, may still shrink.
func (q Quota) check(before, after Account) error {
	if q.Records > 0 && after.RecordCount > max(q.Records, before.RecordCount) ||
		q.Bytes > 0 && after.StoredBytes > max(q.Bytes, before.StoredBytes) {
		return &QuotaExceededError{Quota: q, RecordCount: before.RecordCount, StoredBytes: before.StoredBytes}
	}
	return nil
}
