package servers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc on Linux.
const tick = time.Second / 100

// cpuTime is what the processes and their descendants, also those that ended,
// spent of all processors.
func cpuTime(pids []int) (time.Duration, error) {
	all, err := readProcesses()
	if err != nil {
		return 0, err
	}
	children := map[int][]int{}
	for pid, p := range all {
		children[p.parent] = append(children[p.parent], pid)
	}
	var total time.Duration
	for queue := append([]int{}, pids...); len(queue) > 0; queue = queue[1:] {
		total += all[queue[0]].cpu
		queue = append(queue, children[queue[0]]...)
	}
	return total, nil
}

type processStat struct {
	parent int
	cpu    time.Duration // its own and that of its children that ended
}

func readProcesses() (map[int]processStat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := map[int]processStat{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if p, err := parseStat(text); err == nil {
			all[pid] = p
		}
	}
	return all, nil
}

// parseStat reads a line of /proc/<pid>/stat. The name, second and in
// parentheses, may contain anything.
func parseStat(text []byte) (processStat, error) {
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return processStat{}, errors.New("too few fields")
	}
	p := processStat{}
	p.parent, _ = strconv.Atoi(fields[1])
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return processStat{}, err
		}
		p.cpu += time.Duration(ticks) * tick
	}
	return p, nil
}

// resident is the memory of one process, in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, errors.New("statm has too few fields")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
