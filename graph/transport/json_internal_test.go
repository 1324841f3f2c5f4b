package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

var jsonSeeds = []string{
	`{}`, ` { "a" : [ 1 , -0.5e+3 , true , false , null , "x" , {} , [] ] } `, `{"a":"\u00e9\n\"\\\/","b":""}`,
	`{"a":1}x`, `{"a":1,}`, `{"a":[1,]}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":.5}`, `{"a":+1}`,
	`{"a":"` + "\x01" + `"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\"}`, `{"a"}`, `{"a":}`, `{a:1}`, `{,}`, `[`, `{`, `"`, ``,
	`{"a":tru}`, `{"a":nul}`, `{"a":truex}`, `{"a" 1}`, `{"a":1 "b":2}`, "{\"a\":1}\x00", "{\x00}", `nullnull`, `[1,2]`, `{"a":"\ud83d\ude00"}`,
	`{"a":-0}`, `{"a":1E5}`, `{"a":1e-5}`, "\ufeff{}", "{\"a\":\u00a01}", `{"q":"` + strings.Repeat("x", 99) + `"}`,
}

// What the decoder accepts, encoding/json reads to the same; what it refuses,
// encoding/json refuses too, but for the rules that are stricter on purpose.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeObject(data, maxValues)
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want map[string]any
		theirs := dec.Decode(&want)
		valid := json.Valid(data) && theirs == nil && want != nil
		switch {
		case err == nil && !valid:
			t.Fatalf("%q is accepted", data)
		case err == nil && !reflect.DeepEqual(got, want):
			t.Fatalf("%q is read as %v, encoding/json reads %v", data, got, want)
		case err != nil && valid && utf8.Valid(data) && isOwnRule(err):
			t.Fatalf("%q is refused: %v", data, err)
		}
	})
}

func isOwnRule(err error) bool {
	return !errors.Is(err, errBadEscapes) && !errors.Is(err, errTooDeep) && !errors.Is(err, errTooMany) && !strings.HasPrefix(err.Error(), "duplicate name")
}
