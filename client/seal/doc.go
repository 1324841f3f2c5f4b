// Package seal encrypts the data of records before they leave the device, so that
// a server keeps what it cannot read. The format is that of docs/encryption.md,
// which the JavaScript client speaks alike:
//
//	key := seal.NewKey(identity)
//	box, err := key.Seal(seal.Record{ID: "note", Data: text})
//	…
//	record, err := key.Open(seal.Stored{ID: r.ID, SchemaVersion: r.SchemaVersion, Box: r.Data, Revision: int64(r.Revision)})
//
// A box is bound to its owner, its record and its schema version: what a server
// swaps, cuts or changes is an error, never data. Sizes are padded to classes. What
// remains visible is in docs/security.md.
//
// The package does no input or output. Its values may be used by many goroutines.
package seal
