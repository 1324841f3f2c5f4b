package scalar_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"syncline/graph/scalar"
	"syncline/record"
)

func written(m graphql.Marshaler) string {
	var b bytes.Buffer
	m.MarshalGQL(&b)
	return b.String()
}

func TestBytesGoOutAsBase64(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 2, 3, 4, 1000, 64 << 10} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		want := `"` + base64.StdEncoding.EncodeToString(data) + `"`
		buffer := bytes.NewBufferString("before")
		scalar.MarshalBytes(data).MarshalGQL(buffer)
		if buffer.String() != "before"+want {
			t.Errorf("%d bytes come out wrong in a buffer", size)
		}
		var other bytes.Buffer
		scalar.MarshalBytes(data).MarshalGQL(struct{ io.Writer }{&other})
		if other.String() != want {
			t.Errorf("%d bytes come out wrong in a writer", size)
		}
	}
}

func TestDateTimeIsUTCWithMicroseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 13, 0, 0, 5999, time.FixedZone("", 3600))
	if got := written(scalar.MarshalDateTime(at)); got != `"2026-01-31T12:00:00.000005Z"` {
		t.Errorf("got %s", got)
	}
	back, err := scalar.UnmarshalDateTime("2026-01-31T13:00:00.000005+01:00")
	if err != nil || !back.Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("got %v, %v", back, err)
	}
}

func TestIntegersAreReadStrictly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		v    any
		want record.Revision
		ok   bool
	}{
		{0, 0, true},
		{int64(7), 7, true},
		{json.Number("0"), 0, true},
		{json.Number("9007199254740991"), record.MaxRevision, true},
		{json.Number("9007199254740992"), 0, false},
		{int64(9007199254740992), 0, false},
		{int64(-1), 0, false},
		{json.Number("-0"), 0, true},
		{json.Number("1.0"), 0, false},
		{json.Number("1e1"), 0, false},
		{json.Number("9223372036854775808"), 0, false},
		{float64(1), 0, false},
		{"1", 0, false},
		{true, 0, false},
		{nil, 0, false},
		{[]any{1}, 0, false},
		{map[string]any{}, 0, false},
	} {
		got, err := scalar.UnmarshalRevision(test.v)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%T %v: got %d, %v", test.v, test.v, got, err)
		}
	}
	if _, err := scalar.UnmarshalInt(int64(1 << 31)); err == nil {
		t.Error("an Int of more than 32 bits passes")
	}
	if n, err := scalar.UnmarshalInt(json.Number("-2147483648")); err != nil || n != -1<<31 {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for v, want := range map[any]string{"a": "a", int64(12): "12", json.Number("-3"): "-3"} {
		if got, err := scalar.UnmarshalID(v); err != nil || got != want {
			t.Errorf("%v: got %q, %v", v, got, err)
		}
	}
	for _, v := range []any{json.Number("1.5"), 1.5, true, nil, []any{"a"}} {
		if got, err := scalar.UnmarshalID(v); err == nil {
			t.Errorf("%v passes as %q", v, got)
		}
	}
}

// Seeds that a fuzzing run begins with; a plain test run covers them too.
var (
	bytesSeeds   = []string{"", "YQ==", "YWI=", "YWJj", "YQ", "YQ=", "YR==", "YQ==\n", "Y\r\nQ==", "-_-_", " ", "\x00", "====", "ÄÖ"}
	integerSeeds = []string{"0", "1", "-1", "1.5", "1e3", "9007199254740991", "9007199254740992", "9223372036854775808", "", "-", "00", "0x1", "+1", " 1", "1_0"}
	cursorSeeds  = []string{"", "0", "1", "01", "-1", "9007199254740992", "AQ", "AQECAwQFBgcIAQ", "AQECAwQFBgcIgAA", "AQECAwQFBgcIAQE", "=", "AQECAwQFBgcIAQ\n"}
)

func TestSeedsCoverWhatPassesAndWhatDoesNot(t *testing.T) {
	t.Parallel()
	for name, seeds := range map[string]struct {
		list []string
		read func(string) error
	}{
		"bytes":   {bytesSeeds, func(s string) error { _, err := scalar.UnmarshalBytes(s); return err }},
		"integer": {integerSeeds, func(s string) error { _, err := scalar.UnmarshalRevision(json.Number(s)); return err }},
		"cursor":  {cursorSeeds, func(s string) error { _, err := scalar.UnmarshalCursor(s); return err }},
	} {
		passed, refused := 0, 0
		for _, seed := range seeds.list {
			if seeds.read(seed) == nil {
				passed++
			} else {
				refused++
			}
		}
		if passed < 3 || refused < 5 {
			t.Errorf("%s: %d seeds pass, %d do not", name, passed, refused)
		}
	}
}

func FuzzBytes(f *testing.F) {
	for _, seed := range bytesSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		data, err := scalar.UnmarshalBytes(text)
		if err != nil {
			return
		}
		if got := written(scalar.MarshalBytes(data)); got != `"`+text+`"` {
			t.Errorf("%q comes back as %s", text, got)
		}
	})
}

func FuzzInteger(f *testing.F) {
	for _, seed := range integerSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := scalar.UnmarshalRevision(json.Number(text))
		if err != nil {
			return
		}
		if n < 0 || n > record.MaxRevision {
			t.Errorf("%q is read as %d", text, n)
		}
		again, err := scalar.UnmarshalRevision(json.Number(written(scalar.MarshalRevision(n))))
		if err != nil || again != n {
			t.Errorf("%d comes back as %d, %v", n, again, err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, seed := range cursorSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := scalar.UnmarshalCursor(text)
		if err != nil {
			return
		}
		if got := written(scalar.MarshalCursor(c)); got != strconv.Quote(text) {
			t.Errorf("%q comes back as %s", text, got)
		}
	})
}

func BenchmarkMarshalBytes(b *testing.B) {
	data := make([]byte, 64<<10)
	var buffer bytes.Buffer
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		buffer.Reset()
		scalar.MarshalBytes(data).MarshalGQL(&buffer)
	}
}
