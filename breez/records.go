package breez

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"connectrpc.com/connect"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"syncline/auth"
	"syncline/breez/syncpb"
	"syncline/internal/input"
	"syncline/record"
)

const (
	// maxChanges and maxReplyBytes bound a reply of ListChanges. A larger one stops
	// the clients for good.
	maxChanges    = record.MaxPage
	maxReplyBytes = 4_000_000

	// What calls cost of the limits, as the same would over GraphQL.
	writeCost  = 86
	visitCost  = 10
	changeCost = 10 // of each record of a reply, beside one for each KiB of the reply
)

// SetRecord implements syncpbconnect.SyncerHandler.
func (s *Service) SetRecord(ctx context.Context, request *connect.Request[syncpb.SetRecordRequest]) (*connect.Response[syncpb.SetRecordReply], error) {
	in := request.Msg
	if err := checkRecord(in.GetRecord()); err != nil {
		return nil, s.fail(ctx, err)
	}
	ctx, p, err := verify(ctx, s, request.Header(), in, setRecordText, ast.Mutation, writeCost)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	reply, err := s.set(ctx, record.Owner(p.Key), in)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return answer(ctx, reply), nil
}

// answer is the response to a call that succeeded.
func answer[T any](ctx context.Context, reply *T) *connect.Response[T] {
	callOf(ctx).outcome = outcomeOK
	return connect.NewResponse(reply)
}

func checkRecord(r *syncpb.Record) error {
	switch {
	case r == nil:
		return invalid("record must not be empty")
	case len(r.GetId()) > record.MaxIDBytes:
		return invalid("record id exceeds maximum length of %d", record.MaxIDBytes)
	case len(r.GetData()) > record.MaxDataBytes:
		return invalid("record data exceeds maximum size of %d bytes", record.MaxDataBytes)
	case len(r.GetSchemaVersion()) > record.MaxSchemaVersionBytes:
		return invalid("schema version exceeds maximum length of %d", record.MaxSchemaVersionBytes)
	}
	return nil
}

// set writes a record that was seen at a revision; if it turns out to be absent or
// deleted, at any.
func (s *Service) set(ctx context.Context, owner record.Owner, in *syncpb.SetRecordRequest) (*syncpb.SetRecordReply, error) {
	r := in.GetRecord()
	write := record.Write{
		ID:            r.GetId(),
		Data:          r.GetData(),
		SchemaVersion: r.GetSchemaVersion(),
		Revision:      record.Revision(min(r.GetRevision(), uint64(record.MaxRevision))),
	}
	result, err := s.write(ctx, owner, write, clientID(in))
	if err == nil && result.Status == record.Conflict && !isLive(result.Record) && write.Revision != 0 {
		write.Revision = 0 // which a record that became live meanwhile refuses
		result, err = s.write(ctx, owner, write, clientID(in))
	}
	switch {
	case err != nil:
		return nil, err
	case result.Status == record.Conflict:
		return &syncpb.SetRecordReply{Status: syncpb.SetRecordStatus_CONFLICT}, nil
	}
	return &syncpb.SetRecordReply{Status: syncpb.SetRecordStatus_SUCCESS, NewRevision: uint64(result.NewRevision)}, nil
}

func (s *Service) write(ctx context.Context, owner record.Owner, write record.Write, client *string) (record.WriteResult, error) {
	result, err := s.Records.Write(ctx, owner, record.Request{Kind: record.KindSet, Writes: []record.Write{write}, ClientID: client})
	if err != nil {
		return record.WriteResult{}, err
	}
	return result.Results[0], nil
}

func isLive(r *record.Record) bool { return r != nil && !r.Deleted }

// clientID is what the writer's device calls itself, if it is a name that can be kept.
func clientID(in *syncpb.SetRecordRequest) *string {
	if in.ClientId == nil || input.Text("client_id", in.GetClientId(), 1, record.MaxClientIDBytes) != nil {
		return nil
	}
	return in.ClientId
}

// ListChanges implements syncpbconnect.SyncerHandler. If the reply leaves something
// out, the owner's streams are told afterwards: the clients do not page, they pull
// again when something has changed.
func (s *Service) ListChanges(ctx context.Context, request *connect.Request[syncpb.ListChangesRequest]) (*connect.Response[syncpb.ListChangesReply], error) {
	in := request.Msg
	ctx, p, err := verify(ctx, s, request.Header(), in, listChangesText, ast.Query, visitCost)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	// What is read, and its encoded form.
	grant, err := s.Output.Acquire(ctx, 2*maxReplyBytes, auth.Shares(ctx)...)
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	c := callOf(ctx)
	c.hold(grant)
	owner := record.Owner(p.Key)
	records, size, cut, err := s.list(ctx, owner, in.GetSinceRevision())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	grant.Shrink(2 * int64(size))
	if err := s.Limiter.Charge(ctx, ast.Query, changeCost*len(records)+size>>10); err != nil {
		return nil, s.fail(ctx, err)
	}
	if cut {
		c.afterwards(func() { s.tellToPull(ctx, owner) })
	}
	c.yield(grant)
	reply, err := replyOf(c, records, size, request.Header())
	if err != nil {
		return nil, s.fail(ctx, err)
	}
	return answer(ctx, reply), nil
}

// replyOf has the records in their encoded form, until the call is over: a message of its own
// for each of a thousand would cost a third of what it costs to read them from the store. Only
// JSON needs those.
func replyOf(c *call, records []record.Record, size int, header http.Header) (*syncpb.ListChangesReply, error) {
	room, _ := pages.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	c.afterwards(func() {
		if cap(*room) <= maxPooledPage {
			pages.Put(room)
		}
	})
	*room = slices.Grow((*room)[:0], size)
	for _, r := range records {
		*room = appendChange(*room, r)
	}
	reply := new(syncpb.ListChangesReply)
	if strings.Contains(header.Get("Content-Type"), "json") {
		if err := proto.Unmarshal(*room, reply); err != nil {
			return nil, fmt.Errorf("read the encoded records: %w", err)
		}
		return reply, nil
	}
	reply.ProtoReflect().SetUnknown(*room) // which goes out as it is
	return reply, nil
}

// pages are buffers for encoded replies: a new one for each costs as much as to fill it.
var pages sync.Pool

// maxPooledPage is what a buffer that is kept has at most: a page of a thousand records of
// 1 KiB fits.
const maxPooledPage = 5 << 18

// list reads the live records above a revision, as many as a reply may have, and
// answers how many bytes it will have. cut says that there are more.
func (s *Service) list(ctx context.Context, owner record.Owner, since uint64) (records []record.Record, size int, cut bool, err error) {
	if since > uint64(record.MaxRevision) {
		return nil, 0, false, nil
	}
	records, cut, err = s.Records.Live(ctx, owner, record.Revision(since), maxChanges, maxReplyBytes)
	if err != nil {
		return nil, 0, false, err
	}
	for i, r := range records {
		next := size + protowire.SizeTag(1) + protowire.SizeBytes(changeSize(r))
		if next > maxReplyBytes && i > 0 { // one alone comes as it once was sent, if an import brought it
			return records[:i], size, true, nil
		}
		size = next
	}
	return records, size, cut, nil
}

// The numbers of syncpb.Record's fields, and of ListChangesReply's.
const (
	idField protowire.Number = iota + 1
	revisionField
	schemaVersionField
	dataField

	changesField protowire.Number = 1
)

// changeSize is how many bytes a record has in its encoded form.
func changeSize(r record.Record) int {
	size := 0
	for _, length := range [...]int{len(r.ID), len(r.SchemaVersion), len(r.Data)} {
		if length > 0 {
			size += protowire.SizeTag(idField) + protowire.SizeBytes(length)
		}
	}
	if r.Revision > 0 {
		size += protowire.SizeTag(revisionField) + protowire.SizeVarint(uint64(r.Revision))
	}
	return size
}

// appendChange appends one of a reply's records. Fields that are empty are left out, as
// proto3 has it.
func appendChange(b []byte, r record.Record) []byte {
	b = protowire.AppendTag(b, changesField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(changeSize(r)))
	if r.ID != "" {
		b = protowire.AppendString(protowire.AppendTag(b, idField, protowire.BytesType), r.ID)
	}
	if r.Revision > 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, revisionField, protowire.VarintType), uint64(r.Revision))
	}
	if r.SchemaVersion != "" {
		b = protowire.AppendString(protowire.AppendTag(b, schemaVersionField, protowire.BytesType), r.SchemaVersion)
	}
	if len(r.Data) > 0 {
		b = protowire.AppendBytes(protowire.AppendTag(b, dataField, protowire.BytesType), r.Data)
	}
	return b
}
