package grpctransport

import (
	stderrors "errors"
	"strings"

	"connectrpc.com/connect"

	"syncline/synckit/errors"
	"syncline/synckit/transport/grpctransport/synckitpb"
	"syncline/synckit/transport/internal/wire"
)

var statuses = map[errors.Code]connect.Code{
	errors.InvalidEvent:    connect.CodeInvalidArgument,
	errors.InvalidVersion:  connect.CodeInvalidArgument,
	errors.EventIDReused:   connect.CodeAlreadyExists,
	errors.CursorLost:      connect.CodeFailedPrecondition,
	errors.TooLarge:        connect.CodeInvalidArgument,
	errors.Refused:         connect.CodeFailedPrecondition,
	errors.Unauthenticated: connect.CodeUnauthenticated,
	errors.Unsupported:     connect.CodeUnimplemented,
	errors.Timeout:         connect.CodeDeadlineExceeded,
	errors.Unavailable:     connect.CodeUnavailable,
}

// status is what a client is told of an error of this side.
func status(err error) error {
	fault := wire.NewFault(err)
	code, ok := statuses[fault.Code]
	if !ok {
		code = connect.CodeInternal
	}
	failed := connect.NewError(code, stderrors.New(fault.Message))
	if detail, err := connect.NewErrorDetail(faultToProto(fault)); err == nil { // it always is
		failed.AddDetail(detail)
	}
	return failed
}

// codes are what statuses of others than this package's server mean: of proxies, of
// interceptors, of libraries.
var codes = map[connect.Code]errors.Code{
	connect.CodeInvalidArgument:    errors.Unsupported,
	connect.CodeDeadlineExceeded:   errors.Timeout,
	connect.CodeNotFound:           errors.Unsupported,
	connect.CodeUnimplemented:      errors.Unsupported,
	connect.CodePermissionDenied:   errors.Unauthenticated,
	connect.CodeUnauthenticated:    errors.Unauthenticated,
	connect.CodeFailedPrecondition: errors.Unsupported,
	connect.CodeOutOfRange:         errors.Unsupported,
}

// failure is the error that a call's status is.
func failure(op string, err error) error {
	failed, ok := stderrors.AsType[*connect.Error](err)
	if !ok {
		return err
	}
	for _, detail := range failed.Details() {
		value, err := detail.Value()
		if fault, ok := value.(*synckitpb.Fault); err == nil && ok && fault.GetCode() != "" {
			return faultFromProto(fault).Error(op)
		}
	}
	if tooLarge(failed) {
		return errors.New(errors.TooLarge, op, err)
	}
	code, ok := codes[failed.Code()]
	if !ok {
		code = errors.Unavailable
	}
	return errors.New(code, op, err)
}

// tooLarge tells a message that a server's library does not take from other resources that
// are exhausted, such as a rate, which pass: the status is the same, in all of them.
func tooLarge(err *connect.Error) bool {
	return err.Code() == connect.CodeResourceExhausted && strings.Contains(err.Message(), "larger than")
}
