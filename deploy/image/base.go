package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	certificatesFile = "/etc/ssl/certs/ca-certificates.crt"
	zonesDir         = "/usr/share/zoneinfo"
)

// baseLayer is what the server needs beside itself.
func baseLayer(ctx context.Context, root string) (v1.Layer, error) {
	files := []file{
		{path: "/db", dir: true, mode: 0o755, owner: user},
		{path: "/tmp", dir: true, mode: 0o1777},
		{path: "/etc/passwd", mode: 0o644, content: []byte(fmt.Sprintf("nonroot:x:%d:%d:nonroot:/:/sbin/nologin\n", user, user))},
		{path: "/etc/group", mode: 0o644, content: []byte(fmt.Sprintf("nonroot:x:%d:\n", user))},
		{path: certificatesFile, mode: 0o644, content: certificates()},
	}
	zones, err := timeZones(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("read Go's time zones: %w", err)
	}
	return layerOf(append(files, zones...))
}

// certificates are Mozilla's roots, but for those that it trusts on a condition: a file of PEM cannot
// state one.
func certificates() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes all
		}
	}
	return text.Bytes()
}

// timeZones are those that come with Go, for the environment's TZ.
func timeZones(ctx context.Context, root string) (files []file, err error) {
	goroot, err := output(ctx, root, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	archive, err := zip.OpenReader(filepath.Join(goroot, "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return nil, err
	}
	defer archive.Close() //nolint:errcheck // it was only read
	for _, zone := range archive.File {
		if strings.HasSuffix(zone.Name, "/") {
			continue
		}
		opened, err := zone.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", zone.Name, err)
		}
		content, err := io.ReadAll(opened)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", zone.Name, err)
		}
		files = append(files, file{path: path.Join(zonesDir, zone.Name), mode: 0o644, content: content}) //nolint:gosec // it is Go's own archive, and goes into another
	}
	return files, nil
}
