package badger

import (
	"encoding/binary"
	stderrors "errors"

	"github.com/dgraph-io/badger/v4"

	"syncline/synckit"
)

// Each kind of key begins with a letter of its own. Numbers are big-endian, so
// that keys sort by them; a name that is not last stands after its length.
var (
	keySchema = []byte("s")
	keyLatest = []byte("l") // the log's newest position
	keyPlaces = []byte("n") // the last place given to a review
)

const (
	prefixEvents  = "e"
	prefixReviews = "r"
)

func eventKey(p synckit.Position) []byte     { return append([]byte(prefixEvents), number(uint64(p))...) }
func confirmedKey(p synckit.Position) []byte { return append([]byte("y"), number(uint64(p))...) }
func idKey(id string) []byte                 { return append([]byte("i"), id...) }
func headKey(aggregateID string) []byte      { return append([]byte("g"), aggregateID...) }
func reviewKey(place uint64) []byte          { return append([]byte(prefixReviews), number(place)...) }
func placeKey(reviewID string) []byte        { return append([]byte("p"), reviewID...) }

// aggregatePrefix begins the keys that list an aggregate's positions.
func aggregatePrefix(aggregateID string) []byte {
	return append(binary.AppendUvarint([]byte("a"), uint64(len(aggregateID))), aggregateID...)
}

func aggregateKey(aggregateID string, p synckit.Position) []byte {
	return append(aggregatePrefix(aggregateID), number(uint64(p))...)
}

func cursorKey(peer string, direction synckit.Direction) []byte {
	key := binary.AppendUvarint([]byte("c"), uint64(len(direction)))
	return append(append(key, direction...), peer...)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// get gives nil for a key that is not there.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if stderrors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

// getNumber gives 0 for a key that is not there.
func getNumber(txn *badger.Txn, key []byte) (uint64, error) {
	value, err := get(txn, key)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, errDamaged
	}
	return binary.BigEndian.Uint64(value), nil
}

var errDamaged = stderrors.New("what is stored is damaged")

// head is what a log knows of an aggregate.
type head struct {
	newest synckit.Position
	clock  uint64 // the highest
}

func getHead(txn *badger.Txn, aggregateID string) (head, error) {
	value, err := get(txn, headKey(aggregateID))
	if err != nil || value == nil {
		return head{}, err
	}
	if len(value) != 16 {
		return head{}, errDamaged
	}
	return head{synckit.Position(binary.BigEndian.Uint64(value)), binary.BigEndian.Uint64(value[8:])}, nil
}

func (h head) bytes() []byte { return append(number(uint64(h.newest)), number(h.clock)...) }
