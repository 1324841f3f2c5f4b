package seal_test

import (
	"errors"
	"fmt"

	"syncline/auth/signing"
	"syncline/client/seal"
)

// What a client writes, and reads back.
func Example() {
	identity, _ := signing.GenerateKey()
	key, _ := seal.NewKey(identity)

	box, _ := key.Seal(seal.Record{ID: "note", SchemaVersion: "1", Data: []byte("hello"), Seen: 7})
	fmt.Println(len(box), "bytes")

	record, _ := key.Open(seal.Stored{ID: "note", SchemaVersion: "1", Box: box, Revision: 8})
	fmt.Printf("%s\n", record.Data)

	_, err := key.Open(seal.Stored{ID: "another note", SchemaVersion: "1", Box: box, Revision: 8})
	fmt.Println(errors.Is(err, seal.ErrSwapped))
	// Output:
	// 128 bytes
	// hello
	// true
}

// Somebody else is let in: to read, not to write.
func ExampleShareKey() {
	owner, _ := signing.GenerateKey()
	reader, _ := signing.GenerateKey()
	own, _ := seal.NewKey(owner)
	box, _ := own.Seal(seal.Record{ID: "note", Data: []byte("for both of us")})

	shared, _ := seal.ShareKey(owner, reader.Public())
	key, _ := seal.OpenKey(shared, reader, owner.Public())
	record, _ := key.Open(seal.Stored{ID: "note", Box: box, Revision: 1})
	fmt.Printf("%s\n", record.Data)
	// Output: for both of us
}
