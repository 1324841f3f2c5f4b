package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"syncline/auth/signing"
	"syncline/client/seal"
)

func TestTheSameRecordIsTheSameBox(t *testing.T) {
	t.Parallel()
	identity, err := signing.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.NewKey(identity)
	if err != nil {
		t.Fatal(err)
	}
	first := seal.Record{ID: "note", SchemaVersion: "1", Data: []byte("text"), Seen: 3}
	box, err := key.SealSame(first)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := key.Open(seal.Stored{ID: "note", SchemaVersion: "1", Box: box})
	if err != nil || string(opened.Data) != "text" || opened.Seen != 3 {
		t.Errorf("opened as %+v, %v", opened, err)
	}
	again, err := key.SealSame(first)
	if err != nil || !bytes.Equal(again, box) {
		t.Errorf("sealed again it is another box, %v", err)
	}
	nonces := map[string]bool{}
	for _, other := range []seal.Record{
		first,
		{ID: "note2", SchemaVersion: "1", Data: []byte("text"), Seen: 3},
		{ID: "note", SchemaVersion: "2", Data: []byte("text"), Seen: 3},
		{ID: "note", SchemaVersion: "1", Data: []byte("texts"), Seen: 3},
		{ID: "note", SchemaVersion: "1", Data: []byte("text"), Seen: 4},
		{ID: "note", SchemaVersion: "1", Data: []byte("text"), Seen: 3, Hidden: true},
	} {
		box, err := key.SealSame(other)
		if err != nil {
			t.Fatal(err)
		}
		nonces[string(box[32:56])] = true
	}
	if len(nonces) != 6 {
		t.Errorf("%d nonces for 6 different records", len(nonces))
	}
	if _, err := key.SealSame(seal.Record{Data: make([]byte, seal.MaxBox)}); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("too large a record: %v", err)
	}
	if _, err := (seal.Key{}).SealSame(first); err == nil {
		t.Error("no key seals")
	}
}
