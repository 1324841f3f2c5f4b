package grpctransport

import (
	"google.golang.org/protobuf/proto"

	"syncline/synckit"
	"syncline/synckit/errors"
	"syncline/synckit/transport/grpctransport/synckitpb"
	"syncline/synckit/transport/internal/wire"
)

func toProto(e wire.Event) *synckitpb.Event {
	return &synckitpb.Event{
		Id: e.Event.ID, Type: e.Event.Type, AggregateId: e.Event.AggregateID,
		Data: e.Event.Data, Metadata: e.Event.Metadata, Version: e.Version,
	}
}

func fromProto(e *synckitpb.Event) wire.Event {
	return wire.Event{
		Event: synckit.EncodedEvent{
			ID: e.GetId(), Type: e.GetType(), AggregateID: e.GetAggregateId(), Data: e.GetData(), Metadata: e.GetMetadata(),
		},
		Version: e.GetVersion(),
	}
}

func allToProto(events []wire.Event) []*synckitpb.Event {
	all := make([]*synckitpb.Event, len(events))
	for i, e := range events {
		all[i] = toProto(e)
	}
	return all
}

// encodeEach is for pages, whose events are read one by one.
func encodeEach(events []wire.Event) ([][]byte, error) {
	all := make([][]byte, len(events))
	for i, e := range events {
		var err error
		if all[i], err = proto.Marshal(toProto(e)); err != nil {
			return nil, errors.New(errors.Internal, "encode event", err)
		}
	}
	return all, nil
}

func decodeEach(events [][]byte) []wire.Received {
	all := make([]wire.Received, len(events))
	for i, text := range events {
		var e synckitpb.Event
		if err := proto.Unmarshal(text, &e); err != nil {
			all[i] = wire.NoEvent(text, err)
			continue
		}
		all[i] = wire.Receive(fromProto(&e), text)
	}
	return all
}

func faultToProto(f wire.Fault) *synckitpb.Fault {
	return &synckitpb.Fault{Code: string(f.Code), Message: f.Message, RetryAfterSeconds: int32(f.RetryAfter)}
}

func faultFromProto(f *synckitpb.Fault) wire.Fault {
	return wire.Fault{Code: errors.Code(f.GetCode()), Message: f.GetMessage(), RetryAfter: int(f.GetRetryAfterSeconds())}
}

func answerToProto(a wire.PushAnswer) *synckitpb.PushResponse {
	answer := &synckitpb.PushResponse{Stored: a.Stored, Cursor: a.Cursor}
	for id, fault := range a.Refused {
		if answer.Refused == nil {
			answer.Refused = make(map[string]*synckitpb.Fault, len(a.Refused))
		}
		answer.Refused[id] = faultToProto(fault)
	}
	if a.Error != nil {
		answer.Error = faultToProto(*a.Error)
	}
	return answer
}

func answerFromProto(a *synckitpb.PushResponse) wire.PushAnswer {
	answer := wire.PushAnswer{Stored: a.GetStored(), Cursor: a.GetCursor()}
	for id, fault := range a.GetRefused() {
		if answer.Refused == nil {
			answer.Refused = make(map[string]wire.Fault, len(a.GetRefused()))
		}
		answer.Refused[id] = faultFromProto(fault)
	}
	if a.GetError() != nil {
		fault := faultFromProto(a.GetError())
		answer.Error = &fault
	}
	return answer
}
