package budget

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// Memory is what the requests of a process share, one half each. Whoever has got
// memory for its input then asks for that of its output: out of one pool, all
// might wait for one another.
type Memory struct {
	Input, Output *Pool
	available     int64 // 0 if it is not known
}

// NewMemory makes pools of a number of bytes together; 0 is a quarter of what the
// process may use, and 64 MiB if that is not known. The rest is for what is held
// in between: connections, nonces, the database's caches, the newest commits, and
// garbage.
func NewMemory(bytes int64) Memory {
	available := Available()
	switch {
	case bytes > 0:
	case available > 0:
		bytes = max(available/4, least)
	default:
		bytes = unknown
	}
	return Memory{New(bytes / 2), New(bytes / 2), available}
}

// Nonces is how many nonces an eighth of the process's memory holds, at most.
func (m Memory) Nonces(most int) int {
	if m.available == 0 {
		return most
	}
	return int(min(int64(most), m.available/8/nonceBytes))
}

// Connections is how many connections a quarter of the process's memory holds,
// and three quarters of the files that it may have open.
func (m Memory) Connections() int {
	most := int64(math.MaxInt32)
	if m.available > 0 {
		most = m.available / 4 / connectionBytes
	}
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		most = int64(min(uint64(most), files.Cur/4*3))
	}
	return int(max(most, leastConnections))
}

const (
	nonceBytes       = 70       // with room for the maps to grow, if each is of a key of its own
	connectionBytes  = 32 << 10 // a WebSocket with one subscription, or a request's buffers
	leastConnections = 16
)

const (
	least   = 16 << 20
	unknown = 64 << 20
)

// collectAt is the part of a limit at which the garbage collector works harder,
// in per cent: the rest is for what Go does not count.
const collectAt = 90

// Available is how much memory the process may use, in bytes: GOMEMLIMIT if
// that is set, else the limit of its cgroup or of the machine, whichever is
// less; 0 if none is known. If a cgroup limits it, the garbage collector is told, so
// that it works harder before the kernel kills the process.
func Available() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	files := os.DirFS("/")
	limit, ok := cgroupLimit(files)
	total, known := machineMemory(files)
	if ok && (!known || limit <= total) {
		debug.SetMemoryLimit(limit / 100 * collectAt)
		return limit
	}
	return total
}

// cgroupLimit is the least of the limits of the process's cgroups, of version 2
// or 1, in a file system's root.
func cgroupLimit(root fs.FS) (limit int64, ok bool) {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	limit = math.MaxInt64
	for line := range strings.Lines(string(membership)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // id, controllers, path
		if len(fields) != 3 {
			continue
		}
		at, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[0] == "0" && fields[1] == "":
		case contains(fields[1], "memory"):
			at, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// Groups above bound those below. A container may not see its own, but
		// then finds it at the root.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if bytes, err := readBytes(root, path.Join(at, group, file)); err == nil {
				limit = min(limit, bytes)
			}
			if group == "/" {
				break
			}
		}
	}
	// Version 1 says "none" by a number near the largest.
	return limit, limit < 1<<60
}

func contains(list, name string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		if entry == name {
			return true
		}
	}
	return false
}

var errNoLimit = errors.New("no limit")

func readBytes(root fs.FS, name string) (int64, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	value := string(bytes.TrimSpace(text))
	if value == "max" {
		return 0, errNoLimit
	}
	return strconv.ParseInt(value, 10, 64)
}

// machineMemory is all that the machine has.
func machineMemory(root fs.FS) (total int64, ok bool) {
	file, err := root.Open("proc/meminfo")
	if err != nil {
		return 0, false
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // MemTotal: 24576000 kB
		if len(fields) == 3 && fields[0] == "MemTotal:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err == nil
		}
	}
	return 0, false
}
