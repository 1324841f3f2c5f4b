// Package servers builds and starts what the benchmark measures, each as a
// process of its own on a loopback port: Syncline as it is, as it was, and with
// signatures switched off, the plain yardstick, PocketBase, etcd, NATS, Centrifuge, and the
// databases beside them.
package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Program is something that the benchmark builds.
type Program string

// The programs.
const (
	Now        Program = "syncline"   // as the source tree is
	Before     Program = "before"     // as it was at the baseline's revision
	Unsigned   Program = "unsigned"   // keyid is believed: never outside the benchmark
	Plain      Program = "plain"      // net/http
	PocketBase Program = "pocketbase" // with its defaults
	SyncKit    Program = "synckit"    // a store of the library behind its HTTP handler
	Etcd       Program = "etcd"       // with its defaults: it syncs each commit
	Centrifuge Program = "centrifuge" // what Centrifugo is made of, with a history in memory
	NATS       Program = "nats"       // with JetStream and its defaults: it syncs every 2 minutes, unless Spec.SyncEach
	launcher   Program = "slowdisk"   // starts others with slow syncs
)

// ErrNoBaseline says that the baseline's revision is not in the repository's
// history here, or that none was asked for.
var ErrNoBaseline = errors.New("no baseline to compare with")

// Builder builds programs when they are asked for first.
type Builder struct {
	root     string // of the source tree
	baseline string
	dir      string

	mu    sync.Mutex
	built map[Program]error // nil: it is there
}

// NewBuilder makes a builder that writes below dir. root is the source tree of
// the server; baseline the git revision that Before is made from, or empty.
func NewBuilder(root, dir, baseline string) *Builder {
	return &Builder{root: root, baseline: baseline, dir: dir, built: map[Program]error{}}
}

// SourceRoot finds the server's source tree from within the benchmark's.
func SourceRoot(ctx context.Context) (string, error) {
	return run(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", "syncline")
}

// Path is where the program is; it is built if it is not there yet. The error
// is ErrNoBaseline where there is no Before.
func (b *Builder) Path(ctx context.Context, p Program) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	target := filepath.Join(b.dir, string(p))
	err, tried := b.built[p]
	if !tried {
		err = b.build(ctx, p, target)
		b.built[p] = err
	}
	return target, err
}

func (b *Builder) build(ctx context.Context, p Program, target string) error {
	bench := filepath.Join(b.root, "bench")
	switch p {
	case Now:
		return goBuild(ctx, b.root, target, ".")
	case Before:
		return b.buildBefore(ctx, target)
	case Unsigned:
		return b.buildUnsigned(ctx, target)
	case Plain:
		return goBuild(ctx, bench, target, "./cmd/plain")
	case SyncKit:
		return goBuild(ctx, bench, target, "./cmd/synckitd")
	case launcher:
		return goBuild(ctx, bench, target, "./cmd/slowdisk")
	case PocketBase, Etcd, NATS, Centrifuge: // a module each
		return goBuild(ctx, filepath.Join(bench, string(p)), target, ".")
	}
	return fmt.Errorf("unknown program %q", p)
}

// buildBefore builds a copy of the tree as it was. Nothing of the repository is touched.
func (b *Builder) buildBefore(ctx context.Context, target string) error {
	if b.baseline == "" {
		return ErrNoBaseline
	}
	if _, err := run(ctx, b.root, "git", "rev-parse", "--verify", "--quiet", b.baseline+"^{commit}"); err != nil {
		return fmt.Errorf("%w: git knows no revision %q here", ErrNoBaseline, b.baseline)
	}
	source := filepath.Join(b.dir, "source-before")
	if err := os.MkdirAll(source, 0o700); err != nil {
		return err
	}
	archive := filepath.Join(b.dir, "before.tar")
	if _, err := run(ctx, b.root, "git", "archive", "--output", archive, b.baseline); err != nil {
		return err
	}
	if _, err := run(ctx, source, "tar", "-xf", archive); err != nil {
		return err
	}
	return goBuild(ctx, source, target, ".")
}

func goBuild(ctx context.Context, dir, target, pkg string, flags ...string) error {
	args := append([]string{"build", "-pgo=auto", "-trimpath", "-o", target}, flags...)
	_, err := run(ctx, dir, "go", append(args, pkg)...)
	return err
}

// run runs a tool to its end and returns what it printed, trimmed.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, git and tar
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}
