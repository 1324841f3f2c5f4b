// Package diskspace watches the room that is left on the disk of a directory, so
// that what grows is refused before the disk is full.
package diskspace

import (
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

// lookEvery is for how long what was seen last is believed.
const lookEvery = 50 * time.Millisecond

// Space is the room on the disk of a directory. It is safe for concurrent use.
type Space struct {
	dir  string
	min  int64
	log  *slog.Logger
	look func(dir string) (free int64, err error)

	mu     sync.Mutex
	looked time.Time
	free   int64
	err    error // of the last look; nil if there is room
}

// New watches the disk of a directory on which min bytes are to stay free. Log is
// told when they are no longer, and when they are again.
func New(dir string, minimum int64, log *slog.Logger) *Space {
	return &Space{dir: dir, min: minimum, log: log, look: statfs}
}

// Left is nil if there is room for what grows, else an error that says how much is
// missing. Where the disk cannot be asked there is room: the database will meet
// what is wrong. It costs a system call now and then.
func (s *Space) Left() error {
	_, err := s.now()
	return err
}

// Free is how many bytes are free for this process; 0 where the disk cannot be asked.
func (s *Space) Free() int64 {
	free, _ := s.now()
	return free
}

func (s *Space) now() (free int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.looked.IsZero() && time.Since(s.looked) < lookEvery {
		return s.free, s.err
	}
	had := s.err
	s.looked, s.err = time.Now(), nil
	if s.free, err = s.look(s.dir); err != nil {
		s.free = 0
		return s.free, nil
	}
	if s.free < s.min {
		s.err = fmt.Errorf("%d bytes are free on the disk of %s, and %d have to be", s.free, s.dir, s.min)
	}
	switch {
	case had == nil && s.err != nil:
		s.log.Warn("the disk is nearly full: writes that grow the data are refused, all else goes on", "free", s.free, "minimum", s.min)
	case had != nil && s.err == nil:
		s.log.Info("the disk has room again: writes are taken", "free", s.free, "minimum", s.min)
	}
	return s.free, s.err
}

func statfs(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * blockSize(stat), nil
}
