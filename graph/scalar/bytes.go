package scalar

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"

	"github.com/99designs/gqlgen/graphql"
)

var strict = base64.StdEncoding.Strict()

// MarshalBytes writes bytes as base64. It is the API's hottest path: into a
// buffer, which is what gqlgen hands over, it encodes in place.
func MarshalBytes(data []byte) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		size := base64.StdEncoding.EncodedLen(len(data)) + len(`""`)
		text := make([]byte, 0)
		if buffer, ok := w.(*bytes.Buffer); ok {
			buffer.Grow(size)
			text = buffer.AvailableBuffer()
		}
		text = append(text, '"')
		text = base64.StdEncoding.AppendEncode(text, data)
		_, _ = w.Write(append(text, '"'))
	})
}

// UnmarshalBytes reads standard base64 with padding. Go's decoder skips line
// breaks even when strict; here they are refused.
func UnmarshalBytes(v any) ([]byte, error) {
	text, ok := v.(string)
	if !ok || strings.ContainsAny(text, "\r\n") {
		return nil, invalid("must be a string of standard base64 with padding and without line breaks")
	}
	data, err := strict.DecodeString(text)
	if err != nil {
		return nil, invalid("must be standard base64 with padding")
	}
	return data, nil
}
