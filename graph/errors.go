package graph

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"syncline/auth"
	"syncline/feed"
	"syncline/graph/model"
	"syncline/locks"
	"syncline/record"
)

// Codes of errors, in extensions.code. Those of auth and of gqlgen come beside.
const (
	codeBadUserInput     = "BAD_USER_INPUT"
	codeCursorTooOld     = "CURSOR_TOO_OLD"
	codeEpochMismatch    = "EPOCH_MISMATCH"
	codeMutationIDReused = "MUTATION_ID_REUSED"
	codeFenced           = "FENCED"
	codeQuotaExceeded    = "QUOTA_EXCEEDED"
	codeUnknownOwner     = "UNKNOWN_OWNER"
	codeUnavailable      = "UNAVAILABLE"
	codeInternal         = "INTERNAL"
)

// Outcomes of a request that failed with codeUnavailable.
const (
	notApplied = "NOT_APPLIED"
	unknown    = "UNKNOWN"
)

const defaultRetryAfter = time.Second

// errPanic stands for a panic that was logged where it was caught.
var errPanic = errors.New("panic")

// public is what a client is told of an error.
type public struct {
	message    string
	code       string
	extensions map[string]any // beside the code
}

// presenter turns errors into what goes over the wire. Their inner text stays
// inside.
type presenter struct{ log *slog.Logger }

func (p presenter) present(ctx context.Context, err error) *gqlerror.Error {
	var outer *gqlerror.Error
	if errors.As(err, &outer) && outer.Err == nil && outer.Extensions["code"] != nil {
		if _, signed := auth.FromContext(ctx); !signed {
			outer.Message, _, _ = strings.Cut(outer.Message, suggestion)
		}
		nameVariable(outer)
		outer.Message = clip(outer.Message)
		report(ctx, outer)
		return outer // gqlgen's own, or presented already
	}
	if outer == nil {
		outer = gqlerror.WrapPath(graphql.GetPath(ctx), err)
	}
	told := p.describe(ctx, err, argumentPath(ctx, outer))
	presented := &gqlerror.Error{
		Message:    told.message,
		Path:       responsePath(ctx, outer.Path),
		Locations:  outer.Locations,
		Extensions: map[string]any{"code": told.code},
	}
	for name, value := range told.extensions {
		presented.Extensions[name] = value
	}
	report(ctx, presented)
	return presented
}

// nameVariable says where in the variables a value is wrong. gqlparser has that in
// the error's path, which is for places in the answer.
func nameVariable(err *gqlerror.Error) {
	if len(err.Path) < 2 || err.Path[0] != ast.PathName("variable") || err.Extensions["code"] != errcode.ValidationFailed {
		return
	}
	field := dotted(err.Path[1:])
	err.Message, err.Path = "variable "+field+": "+err.Message, nil
	err.Extensions["field"] = field
}

// clip shortens messages in which gqlparser repeats what the client sent.
func clip(message string) string {
	const most = 400
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "..."
}

// describe is the one map from errors to what clients are told.
func (p presenter) describe(ctx context.Context, err error, argument string) public {
	var (
		invalid   *record.InvalidError // locks.InvalidError is the same
		tooOld    *record.CursorTooOldError
		mismatch  *record.EpochMismatchError
		quota     *record.QuotaExceededError
		refused   *auth.Error
		recordsUn *record.UnavailableError
		locksUn   *locks.UnavailableError
	)
	switch {
	case errors.As(err, &invalid):
		return describeInvalid(invalid, argument)
	case errors.As(err, &tooOld):
		return public{tooOld.Error(), codeCursorTooOld, map[string]any{"floor": tooOld.Floor, "erased": tooOld.Erased}}
	case errors.As(err, &mismatch):
		return public{mismatch.Error(), codeEpochMismatch, map[string]any{"restoredHead": mismatch.RestoredHead, "erased": mismatch.Erased}}
	case errors.Is(err, record.ErrMutationIDReused):
		return public{message: record.ErrMutationIDReused.Error(), code: codeMutationIDReused}
	case errors.Is(err, record.ErrFenced):
		return public{message: record.ErrFenced.Error(), code: codeFenced}
	case errors.Is(err, record.ErrUnknownOwner):
		return public{message: record.ErrUnknownOwner.Error(), code: codeUnknownOwner}
	case errors.As(err, &quota):
		return public{quota.Error(), codeQuotaExceeded, map[string]any{
			"maxRecords": bound(quota.Records), "maxStoredBytes": bound(quota.Bytes),
			"records": quota.RecordCount, "storedBytes": quota.StoredBytes,
		}}
	case errors.As(err, &refused):
		return public{refused.Message, string(refused.Code), refused.Extensions()}
	case errors.As(err, &recordsUn):
		p.log.WarnContext(ctx, "records unavailable", "error", err)
		return describeUnavailable(recordsUn.RetryAfter, recordsUn.OutcomeUnknown)
	case errors.As(err, &locksUn):
		p.log.WarnContext(ctx, "locks unavailable", "error", err)
		return describeUnavailable(locksUn.RetryAfter, locksUn.OutcomeUnknown)
	case isCut(err):
		return describeUnavailable(0, isMutation(ctx))
	}
	if !errors.Is(err, errPanic) {
		p.log.ErrorContext(ctx, "request failed", "error", err)
	}
	return public{message: "internal error", code: codeInternal}
}

func describeInvalid(err *record.InvalidError, argument string) public {
	field := err.Field
	if argument != "" { // a scalar does not know where it stands
		field = argument
	}
	return public{field + ": " + err.Reason, codeBadUserInput, map[string]any{"field": field}}
}

func describeUnavailable(retryAfter time.Duration, outcomeUnknown bool) public {
	if retryAfter <= 0 {
		retryAfter = defaultRetryAfter
	}
	outcome, message := notApplied, "the service cannot answer now: nothing was changed, try again"
	if outcomeUnknown {
		outcome, message = unknown, "the service cannot tell whether this was applied: send it again with the same mutation id"
	}
	return public{message, codeUnavailable, map[string]any{
		"retryAfterMs": retryAfter.Milliseconds(),
		"outcome":      outcome,
	}}
}

// isCut tells whether a request ended before its answer was there.
func isCut(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, feed.ErrClosed) || errors.Is(err, locks.ErrClosed)
}

func isMutation(ctx context.Context) bool {
	if !graphql.HasOperationContext(ctx) {
		return false
	}
	op := graphql.GetOperationContext(ctx).Operation
	return op != nil && op.Operation == ast.Mutation
}

// recover logs a panic.
func (p presenter) recover(ctx context.Context, value any) error {
	p.log.ErrorContext(ctx, "panic", "value", value, "stack", string(debug.Stack()))
	return errPanic
}

// gqlgen extends the path of an error in an argument by the way to the input
// that is wrong, up to an input object: model says where in that. The way is for
// our field, what comes before it for the client.

func responsePath(ctx context.Context, path ast.Path) ast.Path {
	if field := graphql.GetFieldContext(ctx); field != nil {
		return field.Path()
	}
	return path
}

func argumentPath(ctx context.Context, err *gqlerror.Error) string {
	field := graphql.GetFieldContext(ctx)
	if field == nil || len(err.Path) <= len(field.Path()) {
		return ""
	}
	argument := dotted(err.Path[len(field.Path()):])
	if unread, ok := errors.AsType[*model.FieldError](err); ok {
		argument += "." + unread.Field
	}
	return argument
}

func dotted(path ast.Path) string {
	parts := make([]string, len(path))
	for i, element := range path {
		switch element := element.(type) {
		case ast.PathName:
			parts[i] = string(element)
		case ast.PathIndex:
			parts[i] = strconv.Itoa(int(element))
		}
	}
	return strings.Join(parts, ".")
}

// refuse is an error for a document that will not be executed.
func refuse(pos *ast.Position, format string, args ...any) *gqlerror.Error {
	err := gqlerror.ErrorPosf(pos, format, args...)
	errcode.Set(err, errcode.ValidationFailed)
	return err
}
