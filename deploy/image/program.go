package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// checkout is what is built.
type checkout struct {
	version   string // "development" where there is no repository
	revision  string // empty likewise
	committed time.Time
}

// readCheckout asks git. A revision with changes on top of it is called dirty.
func readCheckout(ctx context.Context, root string) (checkout, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); errors.Is(err, fs.ErrNotExist) {
		return checkout{version: "development", committed: time.Unix(0, 0).UTC()}, nil
	}
	version, err := output(ctx, root, nil, "git", "describe", "--tags", "--always", "--dirty")
	if err != nil {
		return checkout{}, err
	}
	told, err := output(ctx, root, nil, "git", "show", "--no-patch", "--format=%H %ct")
	if err != nil {
		return checkout{}, err
	}
	revision, second, _ := strings.Cut(told, " ")
	committed, err := strconv.ParseInt(second, 10, 64)
	if err != nil {
		return checkout{}, fmt.Errorf("git tells the time of %s as %q", revision, second)
	}
	return checkout{version, revision, time.Unix(committed, 0).UTC()}, nil
}

// compile is the layer of the server's program, compiled as in the Dockerfile. Neither the directory
// that it is compiled in nor what git knows of it is in the program.
func compile(ctx context.Context, root, arch, version string) (v1.Layer, error) {
	dir, err := os.MkdirTemp("", "syncline-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system's business from here on
	program := filepath.Join(dir, "syncline")
	_, err = output(ctx, root, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + arch},
		"go", "build", "-pgo=auto", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -X syncline/internal/commandline.version="+version, "-o", program, ".")
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	return layerOf([]file{{path: "/syncline", mode: 0o755, content: content}})
}

// output runs a program in a directory, with additions to the environment, and answers what it says.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // its callers name it
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	told, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(told)), err
}
