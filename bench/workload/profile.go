package workload

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"syncline/bench/report"
	"syncline/bench/servers"
)

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// profile takes a CPU profile of Syncline during a measurement, if profiles are
// wanted. What it returns waits for the profile and writes it: the profile
// itself, and its top list as text. Of several rounds the last stays.
func (l *Lab) profile(ctx context.Context, s *servers.Service, row *report.Row) (finish func() error) {
	seconds := int(l.Size.Duration.Seconds())
	if l.ProfileDir == "" || !s.HasMetrics() || seconds == 0 {
		return func() error { return nil }
	}
	var profile bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- s.CPUProfile(ctx, seconds, &profile) }()
	return func() error {
		if err := <-done; err != nil {
			return err
		}
		return writeProfile(ctx, l.profilePath(row), profile.Bytes())
	}
}

// heapProfile writes what Syncline's heap holds, if profiles are wanted.
func (l *Lab) heapProfile(ctx context.Context, s *servers.Service, row *report.Row) error {
	if l.ProfileDir == "" {
		return nil
	}
	var profile bytes.Buffer
	if err := s.HeapProfile(ctx, &profile); err != nil {
		return err
	}
	return writeProfile(ctx, l.profilePath(row)+"-heap", profile.Bytes())
}

// profilePath is where a measurement's profiles go, but for what follows the name.
func (l *Lab) profilePath(row *report.Row) string {
	name := notInNames.ReplaceAllString(strings.ToLower(row.Workload+" "+row.Subject+" "+row.Case), "-")
	return filepath.Join(l.ProfileDir, name)
}

func writeProfile(ctx context.Context, path string, profile []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // results are for everyone
		return err
	}
	if err := os.WriteFile(path+".pprof", profile, 0o644); err != nil { //nolint:gosec // likewise
		return err
	}
	for _, order := range []string{"flat", "cum"} {
		out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=60", "-"+order, path+".pprof").Output() //nolint:gosec // go
		if err != nil {
			return fmt.Errorf("pprof: %w", err)
		}
		if err := os.WriteFile(path+"."+order+".txt", out, 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}
