//go:build unix

package rulefile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"syncline/synckit/resolve/rulefile"
)

// A file that is just being written is not taken as rules: without a line, it would be
// rules that leave all to a person.
func TestAFileThatIsBeingWritten(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "rules.yaml")
	pipe := func() { // each look gets one of its own, so that the test says what it finds
		t.Helper()
		if err := syscall.Mkfifo(name+".new", 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	const before, after = "fallback: additive_merge", "fallback: last_write_wins"
	changed := make(chan error, 100)
	finds := func(text string) {
		t.Helper()
		look, err := os.OpenFile(name, os.O_WRONLY, 0) // it waits for the look to begin
		if err != nil {
			t.Fatal(err)
		}
		if len(changed) > 0 {
			t.Errorf("rules were taken before %q was found", text)
		}
		pipe()
		if _, err := look.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := look.Close(); err != nil {
			t.Fatal(err)
		}
	}
	pipe()
	begun := make(chan error, 1)
	go func() {
		_, err := rulefile.Watch(t.Context(), name, rulefile.WatchOptions{Interval: time.Millisecond, Changed: func(err error) { changed <- err }})
		begun <- err
	}()
	finds(before)
	if err := <-begun; err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", before, "", after[:9], after, before, after, after} {
		finds(text)
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
	last, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil { // what looks from here on finds none
		t.Fatal(err)
	}
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
}
