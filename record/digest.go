package record

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Digest stands for the content of a request.
type Digest [sha256.Size]byte

// Digest covers what a retry must repeat: the kind and, of each write, whether
// it deletes, its id, data, revision and schema version. Every variable part is
// preceded by its length, so that no two contents share an encoding.
func (r Request) Digest() Digest {
	h := sha256.New()
	h.Write([]byte{byte(r.Kind)})
	writeNumber(h, uint64(len(r.Writes)))
	for _, w := range r.Writes {
		op := byte(KindSet)
		if w.Delete {
			op = byte(KindDelete)
		}
		h.Write([]byte{op})
		writeNumber(h, uint64(w.Revision))
		writeBytes(h, []byte(w.ID))
		writeBytes(h, w.Data)
		writeBytes(h, []byte(w.SchemaVersion))
	}
	return Digest(h.Sum(nil))
}

func writeNumber(h hash.Hash, n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

func writeBytes(h hash.Hash, b []byte) {
	writeNumber(h, uint64(len(b)))
	h.Write(b)
}
