package testservers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// SmallDisk mounts a file system of its own, of this many bytes, for the time of
// the test. It needs the right to mount: where that lacks, the test is skipped on a
// developer's machine and fails where CI is set.
func SmallDisk(t testing.TB, size int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size))
	if errors.Is(err, syscall.EPERM) && os.Getenv("CI") == "" {
		t.Skip("this user may not mount a small file system; run as root, or in unshare --map-root-user --mount")
	}
	if err != nil {
		t.Fatal("mount a small file system: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// FreeBytes is how much room is left on the disk of a directory.
func FreeBytes(t testing.TB, dir string) int64 {
	t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	return int64(stat.Bavail) * stat.Frsize
}

// FillDisk takes room of the disk of a directory, all of it with size 0, until free
// is called.
func FillDisk(t testing.TB, dir string, size int64) (free func()) {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("filler-%d", size))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	part := make([]byte, 1<<16)
	for written := int64(0); size == 0 || written < size; {
		next := part
		if size != 0 {
			next = part[:min(int64(len(part)), size-written)]
		}
		n, err := f.Write(next)
		written += int64(n)
		if errors.Is(err, syscall.ENOSPC) && size == 0 {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
