package storagetest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"syncline/synckit"
)

const (
	killDir      = "SYNCKIT_STORAGETEST_DIR"
	perCommit    = 3
	killedCursor = "killed"
)

// RunKilled kills a process that writes to a log, several times, and checks that
// all it was told to be stored is there, and no commit in part. It runs the test
// that calls it again as that process, so it must be called by a top-level test,
// before anything else there. open gives the log that is kept in a directory.
func RunKilled(t *testing.T, open func(dir string) (synckit.Log, error)) {
	t.Helper()
	if dir := os.Getenv(killDir); dir != "" {
		writeUntilKilled(dir, open)
		return
	}
	dir := t.TempDir()
	rounds := 5
	if os.Getenv("SYNCLINE_VERIFY") != "" {
		rounds = 50
	}
	for round := range rounds {
		acknowledged := killAfter(t, dir, 1+round*7)
		log, err := open(dir)
		noError(t, err)
		checkWhole(t, log, acknowledged)
		noError(t, log.Close())
	}
}

// writeUntilKilled tells on standard output what was acknowledged: the number of
// the commit, which is also the cursor's value.
func writeUntilKilled(dir string, open func(dir string) (synckit.Log, error)) {
	log, err := open(dir)
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed:", err)
		return
	}
	ctx := context.Background()
	value, err := log.Cursor(ctx, killedCursor, synckit.Pulling)
	for number, _ := strconv.Atoi(value); err == nil; {
		number++
		_, err = log.Commit(ctx, synckit.Commit{
			Append:     entries("p", notes(fmt.Sprint(number, "."), "x", perCommit)...),
			Cursors:    []synckit.Cursor{{Peer: killedCursor, Direction: synckit.Pulling, Value: fmt.Sprint(number)}},
			AddReviews: []synckit.Review{{ID: fmt.Sprint(number)}},
		})
		fmt.Fprintln(os.Stdout, number)
	}
	fmt.Fprintln(os.Stdout, "failed:", err)
}

// killAfter lets the process acknowledge some commits before it dies, and
// returns the last that it did.
func killAfter(t *testing.T, dir string, commits int) (last int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), killDir+"="+dir)
	out, err := cmd.StdoutPipe()
	noError(t, err)
	noError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); seen++ {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Errorf("the writer says %q", lines.Text())
			break
		}
		if seen == commits {
			noError(t, cmd.Process.Kill()) // what it has said by then is still read
		}
	}
	_ = cmd.Wait() // it was killed
	return last
}

func checkWhole(t *testing.T, log synckit.Log, acknowledged int) {
	t.Helper()
	number, err := strconv.Atoi(readCursor(t, log, killedCursor, synckit.Pulling))
	noError(t, err)
	if number < acknowledged {
		t.Fatalf("commit %d was acknowledged, %d is the last there", acknowledged, number)
	}
	found := read(t, log, 0, (number+2)*perCommit)
	equal(t, "events", len(found), number*perCommit)
	for i, e := range found {
		equal(t, "event", e.Event.ID(), fmt.Sprint(i/perCommit+1, ".", i%perCommit+1))
	}
	equal(t, "reviews", len(listReviews(t, log, "", number+2)), number)
}
