package object

import (
	"context"
	"io"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"syncline/record"
)

// WriteRecordPayload is a record.WriteResult that writes itself.
type WriteRecordPayload struct {
	Status      record.Status
	NewRevision *record.Revision
	Record      *Record
	Replayed    bool
}

// WriteRecordsPayload is a record.Result that writes itself.
type WriteRecordsPayload struct {
	Status   record.Status
	Results  []WriteRecordPayload
	Replayed bool
}

// NewWriteRecordPayload makes the answer to one write, of the same result.
func NewWriteRecordPayload(result *record.WriteResult, replayed bool) WriteRecordPayload {
	payload := WriteRecordPayload{Status: result.Status, Record: (*Record)(result.Record), Replayed: replayed}
	if result.Status == record.Success {
		payload.NewRevision = &result.NewRevision
	}
	return payload
}

// NewWriteRecordsPayload makes the answer to a batch.
func NewWriteRecordsPayload(result record.Result) *WriteRecordsPayload {
	results := make([]WriteRecordPayload, len(result.Results))
	for i := range result.Results {
		results[i] = NewWriteRecordPayload(&result.Results[i], result.Replayed)
	}
	return &WriteRecordsPayload{Status: result.Status, Results: results, Replayed: result.Replayed}
}

// MarshalGQLContext writes the fields that were selected.
func (p WriteRecordPayload) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	return newAnswer(ctx, w).write(overhead, p.append)
}

// MarshalGQLContext writes the fields that were selected.
func (p WriteRecordsPayload) MarshalGQLContext(ctx context.Context, w io.Writer) error {
	return newAnswer(ctx, w).write(overhead*(1+len(p.Results)), p.append)
}

// UnmarshalGQLContext is never called.
func (WriteRecordPayload) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

// UnmarshalGQLContext is never called.
func (WriteRecordsPayload) UnmarshalGQLContext(context.Context, any) error { return errNotInput }

func (p *WriteRecordPayload) append(b []byte, a *answer, set ast.SelectionSet) []byte {
	return fieldsOf(a.op, set, "WriteRecordPayload").appendObject(b, "WriteRecordPayload", func(b []byte, f *field) []byte {
		switch f.name {
		case "status":
			return appendText(b, statusName(p.Status))
		case "newRevision":
			if p.NewRevision == nil {
				return append(b, "null"...)
			}
			return strconv.AppendInt(b, int64(*p.NewRevision), 10)
		case "record":
			return appendOptionalRecord(b, a, f.set, p.Record)
		case "replayed":
			return strconv.AppendBool(b, p.Replayed)
		}
		panic("object: WriteRecordPayload has no field " + f.name)
	})
}

func (p *WriteRecordsPayload) append(b []byte, a *answer, set ast.SelectionSet) []byte {
	return fieldsOf(a.op, set, "WriteRecordsPayload").appendObject(b, "WriteRecordsPayload", func(b []byte, f *field) []byte {
		switch f.name {
		case "status":
			return appendText(b, statusName(p.Status))
		case "results":
			b = append(b, '[')
			for i := range p.Results {
				if i > 0 {
					b = append(b, ',')
				}
				b = p.Results[i].append(b, a, f.set)
			}
			return append(b, ']')
		case "replayed":
			return strconv.AppendBool(b, p.Replayed)
		}
		panic("object: WriteRecordsPayload has no field " + f.name)
	})
}

func statusName(status record.Status) string {
	switch status {
	case record.Success:
		return "SUCCESS"
	case record.Conflict:
		return "CONFLICT"
	default:
		return "SKIPPED"
	}
}
