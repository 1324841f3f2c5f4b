package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/bits"

	"golang.org/x/crypto/chacha20poly1305"
)

// What Open finds. None of them comes with data.
var (
	// ErrNotSealed says that data is no box: somebody wrote it as it is.
	ErrNotSealed = errors.New("seal: the data is not encrypted")
	// ErrVersion says that a newer release made the box.
	ErrVersion = errors.New("seal: the data is encrypted in a format that this release does not know")
	// ErrWrongKey says that the box was made by another key.
	ErrWrongKey = errors.New("seal: the data is encrypted by another key")
	// ErrTruncated says that the box lacks its end.
	ErrTruncated = errors.New("seal: the encrypted data lacks its end")
	// ErrDamaged says that the box was changed after it was made.
	ErrDamaged = errors.New("seal: the encrypted data was changed")
	// ErrSwapped says that the box is genuine, but of another record or schema version.
	ErrSwapped = errors.New("seal: the encrypted data belongs to another record or schema version")
	// ErrRolledBack says that the box is genuine, but older than what stands there.
	ErrRolledBack = errors.New("seal: the encrypted data is an older state of the record")
	// ErrTooLarge says that a record does not fit into a box.
	ErrTooLarge = errors.New("seal: the record is too large to be encrypted")
	// ErrRevision says that there is no such revision.
	ErrRevision = errors.New("seal: a revision is a number from 0 to 2^53-1")
)

// MaxBox is how many bytes a box has at most, what servers take by default.
const MaxBox = 64 << 10

// MaxData is how many bytes of data a box has room for; fewer by the bytes of the id
// where that is hidden.
const MaxData = MaxBox - headerBytes - chacha20poly1305.Overhead - innerBytes - 1

const (
	version    = 1
	keyIDBytes = 8
	placeBytes = 16
	leastBox   = 128

	lengthAt    = 4
	keyIDAt     = lengthAt + 4
	placeAt     = keyIDAt + keyIDBytes
	nonceAt     = placeAt + placeBytes
	headerBytes = nonceAt + chacha20poly1305.NonceSizeX

	innerBytes = 8 + 1 // revision, length of a hidden id
	paddingBit = 0x80

	maxRevision = 1<<53 - 1
)

// mark begins every box. Text that is UTF-8 does not.
var mark = []byte{0xff, 'S', 'B'}

// Record is what is sealed.
type Record struct {
	// ID and SchemaVersion are those of the record.
	ID, SchemaVersion string
	Data              []byte
	// Seen is the revision that the write names: the one the writer last saw, 0 for
	// a new record. By it, readers notice a server that answers an old state.
	Seen int64
	// Hidden has the server know the record by HiddenID(ID), and the box keep ID.
	Hidden bool
}

// Stored is a record as the server has it.
type Stored struct {
	// ID is the server's: the hidden one where ids are hidden.
	ID, SchemaVersion string
	Box               []byte
	// Revision is the record's.
	Revision int64
	// LastSeen is the newest revision at which the reader saw this record before,
	// deleted or not; 0 if it did not, or does not remember.
	LastSeen int64
}

// Seal encrypts a record. Errors: ErrTooLarge, ErrRevision.
func (k Key) Seal(r Record) ([]byte, error) {
	var nonce [chacha20poly1305.NonceSizeX]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return k.seal(r, nonce)
}

// SealSame is Seal for what may be sent again and must then be the same: of the same record it
// makes the same box, always. Who sees two boxes can tell by it whether they are of the
// same state of a record, and nothing else. Errors: ErrTooLarge, ErrRevision.
func (k Key) SealSame(r Record) ([]byte, error) {
	if k.secret == nil {
		return nil, errNoKey
	}
	key, err := derive(k.secret, "nonce")
	if err != nil {
		return nil, err
	}
	hidden := byte(0)
	if r.Hidden {
		hidden = 1
	}
	text := binary.BigEndian.AppendUint64(k.placeOf(r.ID, r.SchemaVersion), uint64(r.Seen))
	text = append(append(text, hidden), r.Data...)
	return k.seal(r, [chacha20poly1305.NonceSizeX]byte(mac(key, text)[:chacha20poly1305.NonceSizeX]))
}

func (k Key) seal(r Record, nonce [chacha20poly1305.NonceSizeX]byte) ([]byte, error) {
	if k.secret == nil {
		return nil, errNoKey
	}
	storedID, hidden := r.ID, ""
	if r.Hidden {
		storedID, hidden = k.HiddenID(r.ID), r.ID
	}
	size := headerBytes + chacha20poly1305.Overhead + innerBytes + len(hidden) + len(r.Data) + 1
	switch {
	case size > MaxBox, len(hidden) > 255, len(r.SchemaVersion) > 1<<16-1, len(r.ID) > 1<<16-1:
		return nil, ErrTooLarge
	case r.Seen < 0, r.Seen > maxRevision:
		return nil, ErrRevision
	}
	size = padded(size)

	inner := binary.BigEndian.AppendUint64(make([]byte, 0, size-headerBytes), uint64(r.Seen))
	inner = append(append(inner, byte(len(hidden))), hidden...)
	inner = append(append(inner, r.Data...), paddingBit)
	inner = inner[:size-headerBytes-chacha20poly1305.Overhead] // the rest is zero

	box := append(make([]byte, 0, size), mark...)
	box = binary.BigEndian.AppendUint32(append(box, version), uint32(size))
	box = append(append(append(box, k.id[:]...), k.placeOf(storedID, r.SchemaVersion)...), nonce[:]...)
	aead, err := chacha20poly1305.NewX(k.box)
	if err != nil {
		return nil, err
	}
	return aead.Seal(box, nonce[:], inner, box), nil
}

// Open decrypts a record. The errors above say what is wrong.
func (k Key) Open(s Stored) (Record, error) {
	if k.secret == nil {
		return Record{}, errNoKey
	}
	if err := checkForm(s.Box); err != nil {
		return Record{}, err
	}
	header := s.Box[:headerBytes]
	if !bytes.Equal(header[keyIDAt:placeAt], k.id[:]) {
		return Record{}, ErrWrongKey
	}
	aead, err := chacha20poly1305.NewX(k.box)
	if err != nil {
		return Record{}, err
	}
	inner, err := aead.Open(nil, header[nonceAt:], s.Box[headerBytes:], header)
	if err != nil {
		return Record{}, ErrDamaged
	}
	// What follows was written by who has the key.
	if subtle.ConstantTimeCompare(header[placeAt:nonceAt], k.placeOf(s.ID, s.SchemaVersion)) != 1 {
		return Record{}, ErrSwapped
	}
	r, ok := readInner(inner)
	if !ok {
		return Record{}, ErrDamaged
	}
	r.SchemaVersion = s.SchemaVersion
	switch {
	case !r.Hidden:
		r.ID = s.ID
	case k.HiddenID(r.ID) != s.ID:
		return Record{}, ErrSwapped
	}
	if isRolledBack(r.Seen, s) {
		return Record{}, ErrRolledBack
	}
	return r, nil
}

// checkForm checks what can be checked without a key.
func checkForm(box []byte) error {
	switch {
	case !bytes.HasPrefix(box, mark):
		return ErrNotSealed
	case len(box) <= len(mark):
		return ErrTruncated
	case box[len(mark)] != version:
		return ErrVersion
	case len(box) < keyIDAt:
		return ErrTruncated
	}
	size := uint64(binary.BigEndian.Uint32(box[lengthAt:]))
	switch {
	case size < leastBox || size > MaxBox || uint64(padded(int(size))) != size:
		return ErrDamaged
	case uint64(len(box)) < size:
		return ErrTruncated
	case uint64(len(box)) > size:
		return ErrDamaged
	}
	return nil
}

// readInner reads what was encrypted.
func readInner(inner []byte) (r Record, ok bool) {
	end := len(bytes.TrimRight(inner, "\x00")) - 1
	if end < innerBytes || inner[end] != paddingBit {
		return Record{}, false
	}
	idEnd := innerBytes + int(inner[innerBytes-1])
	seen := binary.BigEndian.Uint64(inner)
	if idEnd > end || seen > maxRevision {
		return Record{}, false
	}
	return Record{
		ID: string(inner[innerBytes:idEnd]), Hidden: idEnd > innerBytes, Seen: int64(seen), Data: inner[idEnd:end],
	}, true
}

// isRolledBack tells that a box cannot be what a server that keeps its promises has
// at this revision. seen is the revision that its writer named: a write that came
// after LastSeen named that or a later one, unless it made the record again after a
// deletion.
func isRolledBack(seen int64, s Stored) bool {
	switch {
	case s.Revision == 0: // unknown
		return false
	case seen >= s.Revision, s.Revision < s.LastSeen:
		return true
	default:
		return s.Revision > s.LastSeen && seen != 0 && seen < s.LastSeen
	}
}

// padded is the class of a size, by Padmé (Nikitin et al., "Reducing Metadata Leakage
// from Encrypted Files and Communication with PURBs", 2019): at most an eighth more,
// and so few classes that a size tells little.
func padded(size int) int {
	if size <= leastBox {
		return leastBox
	}
	exponent := bits.Len(uint(size)) - 1
	free := exponent - bits.Len(uint(exponent))
	mask := 1<<free - 1
	return (size + mask) &^ mask
}
