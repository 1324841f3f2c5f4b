package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a client's JSON.
const (
	maxDepth = 64 // of its nesting; the schema's own input nests 5 deep
	// maxValues are objects, arrays, names and scalars. Small ones take up to a
	// hundred times the memory of their text. A batch of 100 writes has 1,300.
	maxValues = 20_000
)

var (
	errNotUTF8    = errors.New("text is not valid UTF-8")
	errNotObject  = errors.New("not a JSON object")
	errTooDeep    = fmt.Errorf("JSON nests more than %d deep", maxDepth)
	errTooMany    = errors.New("JSON has too many values")
	errTrailing   = errors.New("something follows the JSON object")
	errBadJSON    = errors.New("not valid JSON")
	errBadEscapes = errors.New(`a \u escape is half of a surrogate pair`)
)

// decodeObject reads one JSON object of up to a number of values, and nothing else. It is stricter than
// encoding/json, which takes the last of two equal names and turns what is not
// Unicode into U+FFFD: text would be stored that nobody sent.
//
// The strings that it answers share one copy of the message. Whoever keeps a
// short one of them for long clones it.
func decodeObject(data []byte, most int) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	if hasLoneSurrogate(data) {
		return nil, errBadEscapes
	}
	d := decoder{text: string(data), left: most}
	value, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if d.next() != 0 {
		return nil, errTrailing
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errNotObject
	}
	return object, nil
}

// decoder reads RFC 8259's grammar. Numbers stay as they were written.
type decoder struct {
	text string
	at   int
	left int // values that may still come
}

// next skips white space and tells the byte that follows, 0 at the end: no
// value begins with that.
func (d *decoder) next() byte {
	for ; d.at < len(d.text); d.at++ {
		switch c := d.text[d.at]; c {
		case ' ', '\t', '\n', '\r':
		case 0:
			return 1 // in the middle: not the end, and no value either
		default:
			return c
		}
	}
	return 0
}

// take moves past a byte that must come next.
func (d *decoder) take(c byte) bool {
	if d.next() != c {
		return false
	}
	d.at++
	return true
}

func (d *decoder) value(depth int) (any, error) {
	if depth == maxDepth {
		return nil, errTooDeep
	}
	if d.left--; d.left < 0 {
		return nil, errTooMany
	}
	switch c := d.next(); c {
	case '{':
		return d.object(depth + 1)
	case '[':
		return d.array(depth + 1)
	case '"':
		return d.string()
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	case 'n':
		return nil, d.word("null")
	default:
		return d.number()
	}
}

func (d *decoder) object(depth int) (any, error) {
	object := map[string]any{}
	d.at++
	if d.take('}') {
		return object, nil
	}
	for {
		if d.next() != '"' {
			return nil, errBadJSON
		}
		d.left--
		name, err := d.string()
		if err != nil || !d.take(':') {
			return nil, errBadJSON
		}
		if _, ok := object[name]; ok {
			return nil, errors.New("duplicate name " + strconv.QuoteToASCII(clip(name)))
		}
		if object[name], err = d.value(depth); err != nil {
			return nil, err
		}
		if d.take('}') {
			return object, nil
		}
		if !d.take(',') {
			return nil, errBadJSON
		}
	}
}

func (d *decoder) array(depth int) (any, error) {
	elements := []any{}
	d.at++
	if d.take(']') {
		return elements, nil
	}
	for {
		value, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, value)
		if d.take(']') {
			return elements, nil
		}
		if !d.take(',') {
			return nil, errBadJSON
		}
	}
}

// string reads a string. One with escapes is left to encoding/json.
func (d *decoder) string() (string, error) {
	begin := d.at
	escapes := false
	for i := begin + 1; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.at = i + 1
			if escapes {
				return unescape(d.text[begin:d.at])
			}
			return d.text[begin+1 : i], nil
		case c == '\\':
			escapes = true
			i++
		case c < ' ':
			return "", errBadJSON
		}
	}
	return "", errBadJSON
}

func unescape(quoted string) (string, error) {
	var s string
	if json.Unmarshal([]byte(quoted), &s) != nil {
		return "", errBadJSON
	}
	return s, nil
}

func (d *decoder) word(word string) error {
	if !strings.HasPrefix(d.text[d.at:], word) {
		return errBadJSON
	}
	d.at += len(word)
	return nil
}

func (d *decoder) number() (any, error) {
	begin := d.at
	d.skip('-')
	switch {
	case d.skip('0'):
	case d.digits() == 0:
		return nil, errBadJSON
	}
	if d.skip('.') && d.digits() == 0 {
		return nil, errBadJSON
	}
	if d.skip('e') || d.skip('E') {
		_ = d.skip('+') || d.skip('-')
		if d.digits() == 0 {
			return nil, errBadJSON
		}
	}
	return json.Number(d.text[begin:d.at]), nil
}

// skip moves past a byte if it is there.
func (d *decoder) skip(c byte) bool {
	if d.at == len(d.text) || d.text[d.at] != c {
		return false
	}
	d.at++
	return true
}

func (d *decoder) digits() (n int) {
	for d.at < len(d.text) && '0' <= d.text[d.at] && d.text[d.at] <= '9' {
		d.at++
		n++
	}
	return n
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
