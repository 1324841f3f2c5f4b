package budget

import "context"

// What input takes: a body is read, copied once as text, and its base64 decoded;
// until a write is committed, the database and its log have the data, too. All
// that is half as much again until it is collected. A JSON value takes up to 110
// bytes beside its text (a map of one entry 310, which count as three values).
const (
	inputFactor = 6
	valueBytes  = 110
	// smallInput is what a body of few values gets beside, so that most never
	// ask for more.
	smallInput = 64 << 10
)

// Input is what to acquire for a body or message of a number of bytes.
func Input(length int64) int64 { return smallInput + inputFactor*length }

// Parsed is what a body comes to hold that has a number of JSON values.
func Parsed(length, values int) int64 {
	return inputFactor*int64(length) + valueBytes*int64(values)
}

type contextKey struct{}

// NewContext has a context carry the grant for its request's input.
func NewContext(ctx context.Context, input *Grant) context.Context {
	return context.WithValue(ctx, contextKey{}, input)
}

// FromContext is the grant for a request's input, or nil.
func FromContext(ctx context.Context) *Grant {
	g, _ := ctx.Value(contextKey{}).(*Grant)
	return g
}
