package diskspace_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"syncline/internal/diskspace"
	"syncline/internal/testservers"
)

func TestSpace(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	dir := t.TempDir()
	if s := diskspace.New(dir, 1, logger); s.Left() != nil || s.Free() < 1 {
		t.Errorf("%v, %d bytes free", s.Left(), s.Free())
	}
	s := diskspace.New(dir, 1<<60, logger)
	for range 3 {
		if err := s.Left(); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("not an exabyte is free, and: %v", err)
		}
	}
	if lines := strings.Count(log.String(), "nearly full"); lines != 1 {
		t.Errorf("%d lines in the log:\n%s", lines, &log)
	}
	if err := diskspace.New(filepath.Join(dir, "none"), 1<<60, logger).Left(); err != nil {
		t.Errorf("a disk that cannot be asked: %v", err)
	}
}

// It is noticed when room goes and comes.
func TestRoomGoesAndComes(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	disk := testservers.SmallDisk(t, 4<<20)
	synctest.Test(t, func(t *testing.T) {
		s := diskspace.New(disk, 2<<20, slog.New(slog.NewTextHandler(&log, nil)))
		if err := s.Left(); err != nil {
			t.Error(err)
		}
		free := testservers.FillDisk(t, disk, 3<<20)
		<-time.After(time.Second)
		if s.Left() == nil {
			t.Error("it is not noticed that the disk is nearly full")
		}
		free()
		<-time.After(time.Second)
		if err := s.Left(); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(log.String(), "the disk has room again") {
		t.Errorf("the log says %q", log.String())
	}
}
