package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON. The schema's own input nests 5 deep.
const maxDepth = 64

var (
	errNotUTF8    = errors.New("text is not valid UTF-8")
	errNotObject  = errors.New("not a JSON object")
	errTooDeep    = fmt.Errorf("JSON nests more than %d deep", maxDepth)
	errTrailing   = errors.New("something follows the JSON object")
	errBadJSON    = errors.New("not valid JSON")
	errBadEscapes = errors.New(`a \u escape is half of a surrogate pair`)
)

// decodeObject reads one JSON object and nothing else. It is stricter than
// encoding/json, which takes the last of two equal names and turns what is not
// Unicode into U+FFFD: text would be stored that nobody sent.
func decodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	if hasLoneSurrogate(data) {
		return nil, errBadEscapes
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	value, err := decodeValue(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return object, nil
}

func decodeValue(dec *json.Decoder, depth int) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, errBadJSON
	}
	if depth == maxDepth {
		return nil, errTooDeep
	}
	switch token {
	case json.Delim('{'):
		return decodeMembers(dec, depth+1)
	case json.Delim('['):
		return decodeElements(dec, depth+1)
	default:
		return token, nil
	}
}

func decodeMembers(dec *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, errBadJSON
		}
		if _, ok := object[name]; ok {
			return nil, errors.New("duplicate name " + strconv.QuoteToASCII(clip(name)))
		}
		if object[name], err = decodeValue(dec, depth); err != nil {
			return nil, err
		}
	}
	return object, closing(dec)
}

func decodeElements(dec *json.Decoder, depth int) (any, error) {
	elements := []any{}
	for dec.More() {
		value, err := decodeValue(dec, depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, value)
	}
	return elements, closing(dec)
}

// closing takes the closing bracket, whose kind the decoder checks.
func closing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return errBadJSON
	}
	return nil
}

// hasLoneSurrogate finds \u escapes that encode no character.
func hasLoneSurrogate(data []byte) bool {
	for {
		i := bytes.IndexByte(data, '\\')
		if i < 0 || i+1 == len(data) {
			return false
		}
		first, ok := escapedUnit(data[i:])
		if !ok || !utf16.IsSurrogate(first) {
			data = data[i+2:]
			continue
		}
		second, ok := escapedUnit(data[i+6:])
		if !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}
		data = data[i+12:]
	}
}

// escapedUnit reads the UTF-16 unit of a \uXXXX escape that data begins with.
func escapedUnit(data []byte) (rune, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return rune(unit), err == nil
}

// clip shortens text from a client that goes into a message.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:most]
}
