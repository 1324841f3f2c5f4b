package record

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"
)

var testEpoch = Epoch{1, 2, 3, 4, 5, 6, 7, 8}

// cursorSeeds begin the fuzzing; a test checks that they cover both outcomes.
var cursorSeeds = []string{
	"", "0", "1", "00", "01", "+1", "-1", "1.0", "1e3", " 1", "1 ", "٣", "9007199254740991", "9007199254740992",
	"18446744073709551615", "18446744073709551616",
	CursorAt(testEpoch, 0).String(),
	CursorAt(testEpoch, 300).String(),
	CursorAt(testEpoch, MaxRevision).String(),
	Cursor{kind: cursorOpaque, epoch: testEpoch, position: 3, walk: 9}.String(),
	CursorAt(testEpoch, 300).String() + "=",
	CursorAt(testEpoch, 300).String() + "\n",
	rawCursor(2, 5),                                                    // another version
	rawCursor(1),                                                       // no position
	rawCursor(1, 0x80),                                                 // an unfinished number
	rawCursor(1, 0x85, 0x00),                                           // an overlong number
	rawCursor(1, 5, 0),                                                 // a walk of 0
	rawCursor(1, 5, 9, 9),                                              // something after
	rawCursor(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01), // 2^56
	"!!!!", "AQ", strings.Repeat("A", 4096),
}

func rawCursor(version byte, numbers ...byte) string {
	raw := append([]byte{version}, testEpoch[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, numbers...))
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range []Cursor{
		{},
		{kind: cursorPlain, position: 1},
		{kind: cursorPlain, position: MaxRevision},
		CursorAt(testEpoch, 0),
		CursorAt(Epoch{}, 127),
		CursorAt(testEpoch, 128),
		CursorAt(testEpoch, MaxRevision),
		{kind: cursorOpaque, epoch: testEpoch, position: 0, walk: 1},
		{kind: cursorOpaque, epoch: testEpoch, position: 5, walk: MaxRevision},
	} {
		got, err := ParseCursor(c.String())
		if err != nil || got != c {
			t.Errorf("%+v reads back as %+v, %v", c, got, err)
		}
	}
}

func TestCursorsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "00", "01", "+1", "-1", "1.0", "9007199254740992", "18446744073709551616",
		CursorAt(testEpoch, 300).String() + "=", CursorAt(testEpoch, 300).String() + "\n",
		rawCursor(2, 5), rawCursor(1), rawCursor(1, 0x80), rawCursor(1, 0x85, 0x00), rawCursor(1, 5, 0), rawCursor(1, 5, 9, 9),
	} {
		c, err := ParseCursor(text)
		invalid, ok := errors.AsType[*InvalidError](err)
		if !ok || invalid.Field != "since" {
			t.Errorf("%q: got %+v, %v, want an *InvalidError for since", text, c, err)
		}
	}
}

func TestCursorSeedsCoverBothOutcomes(t *testing.T) {
	t.Parallel()
	accepted := map[cursorKind]int{}
	refused := 0
	for _, text := range cursorSeeds {
		if c, err := ParseCursor(text); err == nil {
			accepted[c.kind]++
		} else {
			refused++
		}
	}
	if len(accepted) != 3 || refused < 15 {
		t.Errorf("the seeds cover %v and %d refusals", accepted, refused)
	}
}

func FuzzCursor(f *testing.F) {
	for _, text := range cursorSeeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCursor(text)
		if err != nil {
			if _, ok := errors.AsType[*InvalidError](err); !ok {
				t.Fatalf("error %v", err)
			}
			return
		}
		if c.String() != text {
			t.Fatalf("%q reads as %q: one position has two texts", text, c)
		}
		if c.position < 0 || c.position > MaxRevision || c.walk < 0 || c.walk > MaxRevision {
			t.Fatalf("out of bounds: %+v", c)
		}
	})
}

func TestCursorsAreChecked(t *testing.T) {
	t.Parallel()
	snapshot := Snapshot{Account: Account{Head: 10, Floor: 4, Epoch: testEpoch}, RestoredHead: 7}
	opaque := func(position, walk Revision) Cursor {
		return Cursor{kind: cursorOpaque, epoch: testEpoch, position: position, walk: walk}
	}
	tests := []struct {
		name   string
		cursor Cursor
		want   error
	}{
		{"start", Cursor{}, nil},
		{"at the floor", opaque(4, 0), nil},
		{"below the floor", opaque(3, 0), &CursorTooOldError{Floor: 4}},
		{"a walk from above the floor", opaque(1, 4), nil},
		{"a walk from below the floor", opaque(1, 3), &CursorTooOldError{Floor: 4}},
		{"at the head", opaque(10, 0), nil},
		{"ahead", opaque(11, 0), &EpochMismatchError{RestoredHead: 10, Ahead: true}},
		{"a walk from ahead", opaque(5, 11), &EpochMismatchError{RestoredHead: 10, Ahead: true}},
		{"another epoch", CursorAt(Epoch{9}, 5), &EpochMismatchError{RestoredHead: 7}},
		{"another epoch and too old", CursorAt(Epoch{9}, 1), &EpochMismatchError{RestoredHead: 7}},
		{"plain", Cursor{kind: cursorPlain, position: 5}, nil},
		{"plain and too old", Cursor{kind: cursorPlain, position: 3}, &CursorTooOldError{Floor: 4}},
		{"plain and ahead", Cursor{kind: cursorPlain, position: math.MaxInt32}, &EpochMismatchError{RestoredHead: 10, Ahead: true}},
	}
	for _, c := range tests {
		got := c.cursor.check(snapshot)
		if !sameError(got, c.want) {
			t.Errorf("%s: got %#v, want %#v", c.name, got, c.want)
		}
	}
}

func TestCursorsFromBeforeAnErasure(t *testing.T) {
	t.Parallel()
	// Erased at 4, written again, deleted, and purged up to 7.
	snapshot := Snapshot{Account: Account{Head: 10, Floor: 7, Erased: 4, Epoch: testEpoch}, RestoredHead: 5}
	other := Epoch{9}
	for _, c := range []struct {
		name   string
		cursor Cursor
		want   error
	}{
		{"before", CursorAt(testEpoch, 3), &CursorTooOldError{Floor: 7, Erased: true}},
		{"at it", CursorAt(testEpoch, 4), &CursorTooOldError{Floor: 7}},
		{"a walk that began before", Cursor{kind: cursorOpaque, epoch: testEpoch, position: 1, walk: 3}, &CursorTooOldError{Floor: 7, Erased: true}},
		{"a walk that began after", Cursor{kind: cursorOpaque, epoch: testEpoch, position: 3, walk: 6}, &CursorTooOldError{Floor: 7}},
		{"purged only", CursorAt(testEpoch, 6), &CursorTooOldError{Floor: 7}},
		{"another history's, before", CursorAt(other, 3), &EpochMismatchError{RestoredHead: 5, Erased: true}},
		{"another history's, at it", CursorAt(other, 4), &EpochMismatchError{RestoredHead: 5}},
		{"ahead", CursorAt(testEpoch, 11), &EpochMismatchError{RestoredHead: 10, Ahead: true}},
	} {
		if got := c.cursor.check(snapshot); !sameError(got, c.want) {
			t.Errorf("%s: got %#v, want %#v", c.name, got, c.want)
		}
	}
}

// sameError compares errors of this package that carry values.
func sameError(a, b error) bool {
	if x, ok := errors.AsType[*CursorTooOldError](a); ok {
		y, ok := errors.AsType[*CursorTooOldError](b)
		return ok && *x == *y
	}
	if x, ok := errors.AsType[*EpochMismatchError](a); ok {
		y, ok := errors.AsType[*EpochMismatchError](b)
		return ok && *x == *y
	}
	if x, ok := errors.AsType[*InvalidError](a); ok {
		y, ok := errors.AsType[*InvalidError](b)
		return ok && x.Field == y.Field
	}
	return errors.Is(a, b)
}
