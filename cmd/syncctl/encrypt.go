package main

import (
	"context"
	"errors"
	"fmt"

	"syncline/client"
	"syncline/client/seal"
)

// encryption is the flag of commands that write or show data.
type encryption struct {
	Encrypt bool `help:"Encrypt data by your key before it is sent, and show what was encrypted so: the server cannot read it."`
}

// box encrypts and decrypts the data of records; its zero value leaves them alone.
type box struct {
	key *seal.Key
	// seen is the newest revision of each record that was shown.
	seen map[string]client.Revision
}

func (e encryption) box(ctx context.Context, a *app) (box, error) {
	if !e.Encrypt {
		return box{}, nil
	}
	identity, err := a.key(ctx)
	if err != nil {
		return box{}, err
	}
	key, err := seal.NewKey(identity)
	if err != nil {
		return box{}, err
	}
	return box{&key, map[string]client.Revision{}}, nil
}

// seal is the data to send for a write that names the revision seen.
func (b box) seal(id, schemaVersion string, data []byte, seen client.Revision) ([]byte, error) {
	if b.key == nil {
		return data, nil
	}
	sealed, err := b.key.Seal(seal.Record{ID: id, SchemaVersion: schemaVersion, Data: data, Seen: int64(seen)})
	if err != nil {
		return nil, &client.Error{Code: client.ErrBadUserInput, Field: "data", Message: fmt.Sprintf("%s: %d bytes are too many to be encrypted", id, len(data))}
	}
	return sealed, nil
}

// open is a record with its data decrypted. An error comes without data.
func (b box) open(r client.Record) (client.Record, error) {
	if b.key == nil {
		return r, nil
	}
	lastSeen := b.seen[r.ID]
	b.seen[r.ID] = max(lastSeen, r.Revision)
	if r.Deleted {
		return r, nil
	}
	opened, err := b.key.Open(seal.Stored{
		ID: r.ID, SchemaVersion: r.SchemaVersion, Box: r.Data, Revision: int64(r.Revision), LastSeen: int64(lastSeen),
	})
	r.Data = opened.Data
	if opened.Hidden {
		r.ID = opened.ID
	}
	if err != nil {
		return r, &unopenedError{r.ID, err}
	}
	return r, nil
}

// outcome is that of a write with its records decrypted, as far as they can be.
func (b box) outcome(w client.Written, err error) (client.Written, error) {
	if w.Record != nil {
		*w.Record, _ = b.open(*w.Record)
	}
	if conflict, ok := errors.AsType[*client.ConflictError](err); ok && conflict.Current != nil {
		*conflict.Current, _ = b.open(*conflict.Current)
	}
	return w, err
}

// unopenedError says why a record's data cannot be shown.
type unopenedError struct {
	id  string
	err error
}

func (e *unopenedError) Error() string { return e.id + ": " + e.err.Error() }

func (e *unopenedError) Unwrap() error { return e.err }

// code is that of the JavaScript client.
func (e *unopenedError) code() string {
	for err, code := range map[error]string{
		seal.ErrNotSealed: "NOT_ENCRYPTED", seal.ErrVersion: "ENCRYPTION_VERSION", seal.ErrWrongKey: "WRONG_KEY", seal.ErrTruncated: "TRUNCATED",
		seal.ErrDamaged: "DAMAGED", seal.ErrSwapped: "SWAPPED", seal.ErrRolledBack: "ROLLED_BACK",
	} {
		if errors.Is(e.err, err) {
			return code
		}
	}
	return ""
}
