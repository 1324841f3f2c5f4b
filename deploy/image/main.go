// Command image makes the container image of the server without a container
// engine: what the Dockerfile makes, from scratch. It needs Go and the modules of
// the server, and no network if they are there.
//
//	go run . -o DIR
//
// writes an OCI image layout for all platforms to DIR/oci, for tools that push it to a
// registry, and DIR/syncline-amd64.tar and its like, which docker load and podman load take.
// The same clone and settings, with the same version of Go, make the same bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	root := flag.String("C", "../..", "`directory` of the server's module")
	dir := flag.String("o", "", "`directory` that the image is written to; what it has of an earlier one is replaced")
	architectures := flag.String("arch", "amd64,arm64", "processors to build for, comma-separated")
	source := flag.String("source", "", "`URL` of the repository, for the image's label")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root, *dir, *source, strings.Split(*architectures, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, root, dir, source string, architectures []string) error {
	if dir == "" || flag.NArg() > 0 {
		return errors.New("usage: image -o DIRECTORY")
	}
	state, err := readCheckout(ctx, root)
	if err != nil {
		return err
	}
	base, err := baseLayer(ctx, root)
	if err != nil {
		return fmt.Errorf("make the layer of certificates and time zones: %w", err)
	}
	index := mutate.IndexMediaType(empty.Index, indexType)
	if err := clearImage(dir); err != nil {
		return fmt.Errorf("prepare %s: %w", dir, err)
	}
	for _, arch := range architectures {
		program, err := compile(ctx, root, arch, state.version)
		if err != nil {
			return fmt.Errorf("compile for %s: %w", arch, err)
		}
		image, err := assemble(arch, base, program, state, source)
		if err != nil {
			return fmt.Errorf("assemble the image for %s: %w", arch, err)
		}
		if err := tarball.WriteToFile(filepath.Join(dir, archivePrefix+arch+".tar"), name.MustParseReference("syncline:latest"), image); err != nil {
			return fmt.Errorf("write the archive for %s: %w", arch, err)
		}
		platform := &v1.Platform{OS: "linux", Architecture: arch}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	oci := filepath.Join(dir, layoutDir)
	if _, err := layout.Write(oci, index); err != nil {
		return fmt.Errorf("write the OCI layout: %w", err)
	}
	digest, err := index.Digest()
	if err == nil {
		_, err = fmt.Fprintf(os.Stdout, "%s: syncline %s, %s\n", oci, state.version, digest)
	}
	return err
}

// What a directory has of an image.
const (
	layoutDir     = "oci"
	archivePrefix = "syncline-" // and the processor, and .tar
)

// clearImage makes the directory, and removes what it has of an earlier image, of processors too that are not built for
// any more.
func clearImage(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // an image has no secrets
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if name != layoutDir && (!strings.HasPrefix(name, archivePrefix) || !strings.HasSuffix(name, ".tar")) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
