package slowdisk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncline/bench/slowdisk"
)

// As a launcher, or as the program below it, the test binary runs itself.
func TestMain(m *testing.M) {
	if os.Getenv("SLOWDISK_LAUNCHER") == "" {
		os.Exit(m.Run())
	}
	if err := slowdisk.Exec(os.Args[1], os.Args[2:]); err != nil {
		panic(err)
	}
}

func TestSyncsTakeTheDelayAndSucceed(t *testing.T) {
	t.Parallel()
	const delay, syncs = 50 * time.Millisecond, 4
	file := filepath.Join(t.TempDir(), "file")
	// A child of the program syncs, four times.
	script := strings.Repeat(`dd if=/dev/zero of="`+file+`" bs=512 count=1 conv=fsync status=none && `, syncs) + "echo done"
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = append(os.Environ(), "SLOWDISK_LAUNCHER=1")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := slowdisk.Start(cmd, os.Args[0], delay); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || out.String() != "done\n" {
		t.Fatalf("%v: %s", err, out.String())
	}
	if took := time.Since(began); took < syncs*delay {
		t.Errorf("%d syncs took %v, less than %v each", syncs, took, delay)
	}
}

func TestAProgramThatCannotStartIsTold(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/true")
	if err := slowdisk.Start(cmd, "/bin/false", time.Millisecond); err == nil {
		t.Fatal("a launcher that hands over nothing passed")
	}
}
