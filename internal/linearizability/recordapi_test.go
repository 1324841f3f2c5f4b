package linearizability

import (
	"context"
	"errors"
	"fmt"
)

// recordAPI is what the clients of a history call.
type recordAPI interface {
	// write answers the code MUTATION_ID_REUSED as a status.
	write(ctx context.Context, in writeInput) (writeOutput, error)
	read(ctx context.Context, in recordsInput) (recordsOutput, error)
	changes(ctx context.Context, in changesInput) (changesOutput, cursor, error)
	viewer(ctx context.Context) (viewerOutput, error)
}

var _ recordAPI = (*owner)(nil)

// wireRecord is a record as the API tells it.
type wireRecord struct {
	ID, SchemaVersion string
	Data              []byte
	Revision          int64
	Deleted           bool
	ClientID          *string
}

func (r *wireRecord) version() version {
	if r == nil {
		return version{}
	}
	v := version{ID: r.ID, Data: string(r.Data), Revision: r.Revision, Schema: r.SchemaVersion, Deleted: r.Deleted}
	if r.ClientID != nil {
		v.ClientID = *r.ClientID
	}
	return v
}

type wireWrite struct {
	Status      string
	NewRevision *int64
	Record      *wireRecord
	Replayed    bool
}

func (w wireWrite) result() writeResult {
	r := writeResult{status: w.Status, record: w.Record.version()}
	if w.NewRevision != nil {
		r.newRevision = *w.NewRevision
	}
	return r
}

const (
	recordFields  = ` { id data revision schemaVersion deleted clientId } `
	payloadFields = ` { status newRevision replayed record` + recordFields + `} `

	setDocument    = `mutation($input: SetRecordInput!) { out: setRecord(input: $input)` + payloadFields + `}`
	deleteDocument = `mutation($input: DeleteRecordInput!) { out: deleteRecord(input: $input)` + payloadFields + `}`
	batchDocument  = `mutation($input: WriteRecordsInput!) { out: writeRecords(input: $input) { status replayed results` + payloadFields + `} }`
)

func (w write) variables() map[string]any {
	if w.delete {
		return map[string]any{"id": w.id, "revision": w.revision}
	}
	return map[string]any{"id": w.id, "revision": w.revision, "data": []byte(w.data), "schemaVersion": w.schema}
}

func (in writeInput) variables() map[string]any {
	input := map[string]any{}
	if in.kind == "batch" {
		writes := make([]map[string]any, len(in.writes))
		for i, w := range in.writes {
			kind := "set"
			if w.delete {
				kind = "delete"
			}
			writes[i] = map[string]any{kind: w.variables()}
		}
		input["writes"] = writes
	} else {
		input = in.writes[0].variables()
	}
	input["clientId"] = in.clientID
	if in.mutationID != "" {
		input["mutationId"] = in.mutationID
	}
	return map[string]any{"input": input}
}

func (o *owner) write(ctx context.Context, in writeInput) (writeOutput, error) {
	var out writeOutput
	var err error
	if in.kind == "batch" {
		out, err = o.writeBatch(ctx, in)
	} else {
		out, err = o.writeOne(ctx, in)
	}
	if codeOf(err) == reused {
		return writeOutput{status: reused}, nil
	}
	return out, err
}

func (o *owner) writeOne(ctx context.Context, in writeInput) (writeOutput, error) {
	document := setDocument
	if in.kind == "delete" {
		document = deleteDocument
	}
	var answer struct{ Out wireWrite }
	if err := o.call(ctx, document, in.variables(), &answer); err != nil {
		return writeOutput{}, err
	}
	return writeOutput{status: answer.Out.Status, replayed: answer.Out.Replayed, results: []writeResult{answer.Out.result()}}, nil
}

func (o *owner) writeBatch(ctx context.Context, in writeInput) (writeOutput, error) {
	var answer struct {
		Out struct {
			Status   string
			Replayed bool
			Results  []wireWrite
		}
	}
	if err := o.call(ctx, batchDocument, in.variables(), &answer); err != nil {
		return writeOutput{}, err
	}
	out := writeOutput{status: answer.Out.Status, replayed: answer.Out.Replayed}
	for _, w := range answer.Out.Results {
		if w.Replayed != out.replayed {
			return writeOutput{}, errors.New("a write of a batch says otherwise than the batch whether it is replayed")
		}
		out.results = append(out.results, w.result())
	}
	return out, nil
}

func (o *owner) read(ctx context.Context, in recordsInput) (recordsOutput, error) {
	if len(in.ids) == 1 {
		var answer struct{ Record *wireRecord }
		err := o.call(ctx, `query($id: ID!) { record(id: $id)`+recordFields+`}`, map[string]any{"id": in.ids[0]}, &answer)
		return recordsOutput{records: []version{answer.Record.version()}}, err
	}
	var answer struct{ Records []*wireRecord }
	err := o.call(ctx, `query($ids: [ID!]!) { records(ids: $ids)`+recordFields+`}`, map[string]any{"ids": in.ids}, &answer)
	return recordsOutput{records: versions(answer.Records)}, err
}

func versions(found []*wireRecord) []version {
	all := make([]version, len(found))
	for i, r := range found {
		all[i] = r.version()
	}
	return all
}

func (o *owner) changes(ctx context.Context, in changesInput) (changesOutput, cursor, error) {
	var answer struct {
		Changes struct {
			Records []*wireRecord
			Cursor  string
			Head    int64
			HasMore bool
		}
	}
	err := o.call(ctx, `query($since: Cursor, $first: Int!) { changes(since: $since, first: $first) { cursor head hasMore records`+recordFields+`} }`,
		map[string]any{"since": in.since.text, "first": in.first}, &answer)
	if err != nil {
		return changesOutput{}, cursor{}, fmt.Errorf("changes since %+v: %w", in.since, err)
	}
	page := changesOutput{records: versions(answer.Changes.Records), head: answer.Changes.Head, hasMore: answer.Changes.HasMore}
	return page, in.next(answer.Changes.Cursor, page), nil
}

func (o *owner) viewer(ctx context.Context) (viewerOutput, error) {
	var answer struct {
		Viewer struct{ Head, RecordCount, StoredBytes int64 }
	}
	err := o.call(ctx, `{ viewer { head recordCount storedBytes } }`, nil, &answer)
	return viewerOutput{head: answer.Viewer.Head, count: answer.Viewer.RecordCount, bytes: answer.Viewer.StoredBytes}, err
}
