package badger

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"syncline/synckit"
)

// dropAtOnce is how many events are dropped in one transaction of BadgerDB.
const dropAtOnce = 1000

// Drop implements synckit.Dropper. Of an event that is dropped its ID stays, with its position.
func (s *Store) Drop(ctx context.Context, aggregateID string, ids []string) error {
	for some := range slices.Chunk(ids, dropAtOnce) {
		err := s.update(ctx, "drop", func(txn *badger.Txn) error { return drop(txn, aggregateID, some) })
		if err != nil {
			return err
		}
	}
	return s.view(ctx, "drop", func(*badger.Txn) error { return nil }) // also of no events it tells that it is closed
}

func drop(txn *badger.Txn, aggregateID string, ids []string) error {
	latest, err := getNumber(txn, keyLatest)
	if err != nil {
		return err
	}
	for _, id := range ids {
		n, err := getNumber(txn, idKey(id))
		if err != nil {
			return err
		}
		position := synckit.Position(n)
		listed := aggregateKey(aggregateID, position)
		if _, err := txn.Get(listed); err == badger.ErrKeyNotFound || n == latest { //nolint:errorlint // as BadgerDB's own code does
			continue
		}
		for _, key := range [][]byte{listed, eventKey(position), confirmedKey(position)} {
			if err := txn.Delete(key); err != nil {
				return err
			}
		}
	}
	head, err := getHead(txn, aggregateID)
	if err != nil || head.newest == 0 {
		return err
	}
	head.newest = newestOf(txn, aggregateID)
	return txn.Set(headKey(aggregateID), head.bytes())
}

// newestOf finds an aggregate's newest position; 0: it has none.
func newestOf(txn *badger.Txn, aggregateID string) synckit.Position {
	options := badger.IteratorOptions{Reverse: true}
	positions := txn.NewIterator(options)
	defer positions.Close()
	prefix := aggregatePrefix(aggregateID)
	positions.Seek(append(slices.Clone(prefix), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	if !positions.ValidForPrefix(prefix) {
		return 0
	}
	return synckit.Position(binary.BigEndian.Uint64(positions.Item().Key()[len(prefix):]))
}
