package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// Write is one write of a batch.
type Write struct {
	ID string
	// Data is the new content; it may be empty. Deletes have none.
	Data []byte
	// Revision is the one last seen of the record; 0 creates it.
	Revision Revision
	// SchemaVersion is what the app calls the format of Data. Deletes have none.
	SchemaVersion string
	// Delete makes the write a deletion.
	Delete bool
}

// Written is what an accepted write did.
type Written struct {
	// Revision is the one that the write took.
	Revision Revision
	// Record is the state after the write. If Replayed it is the present state,
	// or nil if there is none any more.
	Record *Record
	// Replayed: an earlier try, or an earlier call with the same mutation id,
	// had written it already.
	Replayed bool
}

// Fence makes a write conditional on a lock's newest grant: once the lock was
// granted anew, the write fails with ErrFenced.
type Fence struct {
	Lock  string     `json:"lock"`
	Token FenceToken `json:"token"`
}

// WriteOption is what is not required of a write.
type WriteOption func(*writeOptions)

type writeOptions struct {
	schemaVersion string
	ClientID      string `json:"clientId,omitempty"`
	MutationID    string `json:"mutationId"`
	Fence         *Fence `json:"fence,omitempty"`
}

// WithSchemaVersion names the format of the data that Set stores, up to 15
// bytes of text.
func WithSchemaVersion(v string) WriteOption { return func(o *writeOptions) { o.schemaVersion = v } }

// WithFence writes under a lock: see Lease.Fence.
func WithFence(f Fence) WriteOption { return func(o *writeOptions) { o.Fence = &f } }

// WithMutationID sets the write's unique id, 1 to 64 bytes of text: the same id
// with the same content is written once, however often it is called, also after
// the app was restarted. By default each call has a random one of its own. The
// server remembers it for Limits.MutationRetentionSeconds: an app that keeps writes
// for longer than that acts as it does on [ErrTooOldToRetry].
func WithMutationID(id string) WriteOption {
	return func(o *writeOptions) { o.MutationID = id }
}

func (c *Client) writeOptions(opts []WriteOption) writeOptions {
	o := writeOptions{ClientID: c.clientID}
	for _, set := range opts {
		set(&o)
	}
	if o.MutationID == "" {
		o.MutationID = randomID()
	}
	return o
}

func randomID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(id[:])
}

var errNoSchemaVersion = errors.New("WithSchemaVersion is for Set; each write of a batch has its own")

// Set stores a record if seen is the revision last seen of it; 0 creates it, or
// writes over its tombstone. Otherwise the error is a *ConflictError with the
// present state, to be merged.
func (c *Client) Set(ctx context.Context, id string, data []byte, seen Revision, opts ...WriteOption) (Written, error) {
	o := c.writeOptions(opts)
	input := struct {
		setInput
		writeOptions
	}{newSetInput(Write{ID: id, Data: data, Revision: seen, SchemaVersion: o.schemaVersion}), o}
	var answer struct{ SetRecord writePayload }
	if _, err := c.call(ctx, operation{document: setRecordDocument, marked: true}, withInput(input), &answer); err != nil {
		return Written{}, err
	}
	return answer.SetRecord.written(0, id)
}

// Delete deletes a record if seen is the revision last seen of it. Otherwise
// the error is a *ConflictError with the present state.
func (c *Client) Delete(ctx context.Context, id string, seen Revision, opts ...WriteOption) (Written, error) {
	o := c.writeOptions(opts)
	if o.schemaVersion != "" {
		return Written{}, errNoSchemaVersion
	}
	input := struct {
		deleteInput
		writeOptions
	}{deleteInput{ID: id, Revision: seen}, o}
	var answer struct{ DeleteRecord writePayload }
	if _, err := c.call(ctx, operation{document: deleteRecordDocument, marked: true}, withInput(input), &answer); err != nil {
		return Written{}, err
	}
	return answer.DeleteRecord.written(0, id)
}

// Write accepts up to 100 writes, all or none; results are in their order. If
// any conflicts, nothing is written and the error is a *BatchConflictError.
func (c *Client) Write(ctx context.Context, writes []Write, opts ...WriteOption) ([]Written, error) {
	o := c.writeOptions(opts)
	if o.schemaVersion != "" {
		return nil, errNoSchemaVersion
	}
	input := struct {
		Writes []batchInput `json:"writes"`
		writeOptions
	}{newBatch(writes), o}
	var answer struct{ WriteRecords writesPayload }
	if _, err := c.call(ctx, operation{document: writeRecordsDocument, marked: true}, withInput(input), &answer); err != nil {
		return nil, err
	}
	return answer.WriteRecords.written(writes)
}

type setInput struct {
	ID            string   `json:"id"`
	Data          []byte   `json:"data"`
	Revision      Revision `json:"revision"`
	SchemaVersion string   `json:"schemaVersion"`
}

func newSetInput(w Write) setInput {
	data := w.Data
	if data == nil {
		data = []byte{} // nil would be encoded as null
	}
	return setInput{ID: w.ID, Data: data, Revision: w.Revision, SchemaVersion: w.SchemaVersion}
}

type deleteInput struct {
	ID       string   `json:"id"`
	Revision Revision `json:"revision"`
}

type batchInput struct {
	Set    *setInput    `json:"set,omitempty"`
	Delete *deleteInput `json:"delete,omitempty"`
}

func newBatch(writes []Write) []batchInput {
	batch := make([]batchInput, len(writes))
	for i, w := range writes {
		if w.Delete {
			batch[i].Delete = &deleteInput{ID: w.ID, Revision: w.Revision}
			continue
		}
		set := newSetInput(w)
		batch[i].Set = &set
	}
	return batch
}

func withInput(input any) map[string]any { return map[string]any{"input": input} }

const (
	statusSuccess  = "SUCCESS"
	statusConflict = "CONFLICT"
)

type writePayload struct {
	Status      string
	NewRevision Revision
	Record      *Record
	Replayed    bool
}

func (p writePayload) written(index int, id string) (Written, error) {
	switch p.Status {
	case statusSuccess:
		return Written{Revision: p.NewRevision, Record: p.Record, Replayed: p.Replayed}, nil
	case statusConflict:
		return Written{}, &ConflictError{ID: id, Index: index, Current: p.Record}
	default:
		return Written{}, fmt.Errorf("%w: write status %q", ErrProtocol, p.Status)
	}
}

type writesPayload struct {
	Status  string
	Results []writePayload
}

func (p writesPayload) written(writes []Write) ([]Written, error) {
	if len(p.Results) != len(writes) {
		return nil, fmt.Errorf("%w: %d results of %d writes", ErrProtocol, len(p.Results), len(writes))
	}
	if p.Status == statusConflict {
		return nil, p.conflicts(writes)
	}
	all := make([]Written, len(writes))
	for i, r := range p.Results {
		var err error
		if all[i], err = r.written(i, writes[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (p writesPayload) conflicts(writes []Write) error {
	e := &BatchConflictError{}
	for i, r := range p.Results {
		if r.Status == statusConflict {
			e.Conflicts = append(e.Conflicts, &ConflictError{ID: writes[i].ID, Index: i, Current: r.Record})
		}
	}
	if len(e.Conflicts) == 0 {
		return fmt.Errorf("%w: a conflict of no write", ErrProtocol)
	}
	return e
}
