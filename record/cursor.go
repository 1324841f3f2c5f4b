package record

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// Epoch names a history of a database. A restore from backup begins a new one,
// so that a position in the lost history never passes for one in the present.
type Epoch [8]byte

func (e Epoch) String() string { return hex.EncodeToString(e[:]) }

// Cursor is a position in an owner's feed. Its zero value is the beginning.
type Cursor struct {
	kind     cursorKind
	epoch    Epoch
	position Revision
	// walk is the head at which a walk from the beginning began. Tombstones up
	// to it are left out. It is 0 once the walk has passed it.
	walk Revision
}

type cursorKind uint8

const (
	cursorStart  cursorKind = iota // null or "0"
	cursorPlain                    // a revision typed by hand, of the present epoch
	cursorOpaque                   // one that the service made
)

const cursorVersion = 1

// CursorAt is the position right after a revision.
func CursorAt(epoch Epoch, position Revision) Cursor {
	return Cursor{kind: cursorOpaque, epoch: epoch, position: position}
}

// ParseCursor reads the form that String writes, and a plain revision number
// for exploring by hand; "0" is the beginning. The error is an *InvalidError
// for the field "since".
func ParseCursor(text string) (Cursor, error) {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return plainCursor(text, n)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 1+len(Epoch{})+1 || raw[0] != cursorVersion {
		return Cursor{}, badCursor()
	}
	c := Cursor{kind: cursorOpaque, epoch: Epoch(raw[1 : 1+len(Epoch{})])}
	position, rest, ok := takeRevision(raw[1+len(Epoch{}):])
	if !ok {
		return Cursor{}, badCursor()
	}
	c.position = position
	if len(rest) > 0 {
		if c.walk, rest, ok = takeRevision(rest); !ok || len(rest) > 0 {
			return Cursor{}, badCursor()
		}
	}
	if c.String() != text { // one position, one text: no padding, line break or overlong number
		return Cursor{}, badCursor()
	}
	return c, nil
}

func plainCursor(text string, n uint64) (Cursor, error) {
	if n > uint64(MaxRevision) || strconv.FormatUint(n, 10) != text {
		return Cursor{}, badCursor()
	}
	if n == 0 {
		return Cursor{}, nil
	}
	return Cursor{kind: cursorPlain, position: Revision(n)}, nil
}

func takeRevision(b []byte) (Revision, []byte, bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(MaxRevision) {
		return 0, nil, false
	}
	return Revision(n), b[size:], true
}

func badCursor() error {
	return invalid("since", "not a cursor: send one that this service returned, or none")
}

// IsStart tells whether the cursor is the beginning of the feed.
func (c Cursor) IsStart() bool { return c.kind == cursorStart }

// Position is the revision after which the cursor stands.
func (c Cursor) Position() Revision { return c.position }

// Exact tells the epoch and the position of a cursor after which nothing is left
// out. It is false for the beginning, for a revision typed by hand, and within a
// walk from the beginning.
func (c Cursor) Exact() (epoch Epoch, position Revision, ok bool) {
	return c.epoch, c.position, c.kind == cursorOpaque && c.walk <= c.position
}

// String is the cursor's text. It is opaque to clients.
func (c Cursor) String() string {
	switch c.kind {
	case cursorStart:
		return "0"
	case cursorPlain:
		return strconv.FormatInt(int64(c.position), 10)
	}
	raw := append([]byte{cursorVersion}, c.epoch[:]...)
	raw = binary.AppendUvarint(raw, uint64(c.position))
	if c.walk > 0 {
		raw = binary.AppendUvarint(raw, uint64(c.walk))
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// check tells whether reading may go on from the cursor.
func (c Cursor) check(s Snapshot) error {
	known := max(c.position, c.walk)
	// Revisions go on rising over a restore, so this holds for other epochs, too.
	erased := known < s.Erased
	switch {
	case c.kind == cursorStart:
		return nil
	case c.kind == cursorOpaque && c.epoch != s.Epoch:
		return &EpochMismatchError{RestoredHead: s.RestoredHead, Erased: erased}
	case known > s.Head:
		return &EpochMismatchError{RestoredHead: s.Head, Ahead: true}
	case known < s.Floor:
		return &CursorTooOldError{Floor: s.Floor, Erased: erased}
	}
	return nil
}

// at is the cursor after a revision, for a reader that began at c and reads s.
func (c Cursor) at(s Snapshot, position Revision) Cursor {
	next := CursorAt(s.Epoch, position)
	walk := c.walk
	if c.kind == cursorStart {
		walk = s.Head
	}
	if walk > position {
		next.walk = walk
	}
	return next
}
