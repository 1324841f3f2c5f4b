package record

import (
	"crypto/sha256"
	"encoding/binary"
)

// Digest stands for the content of a request.
type Digest [sha256.Size]byte

// Digest covers what a retry must repeat: the kind and, of each write, whether
// it deletes, its id, data, revision and schema version. Every variable part is
// preceded by its length, so that no two contents share an encoding.
func (r Request) Digest() Digest {
	h := sha256.New()
	b := make([]byte, 0, 256) // what goes in next, but for data
	b = append(b, byte(r.Kind))
	b = binary.BigEndian.AppendUint64(b, uint64(len(r.Writes)))
	for _, w := range r.Writes {
		op := byte(KindSet)
		if w.Delete {
			op = byte(KindDelete)
		}
		b = append(b, op)
		b = binary.BigEndian.AppendUint64(b, uint64(w.Revision))
		b = appendText(b, w.ID)
		b = binary.BigEndian.AppendUint64(b, uint64(len(w.Data)))
		h.Write(b)
		h.Write(w.Data)
		b = appendText(b[:0], w.SchemaVersion)
	}
	h.Write(b)
	return Digest(h.Sum(b[:0]))
}

func appendText(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
	return append(b, text...)
}
