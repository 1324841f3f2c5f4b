package main

import (
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const indexType = types.OCIImageIndex

// user is whom the server runs as, and whom its volume belongs to.
const user = 65532

// assemble is the image for one processor, with the settings of the Dockerfile's last stage.
func assemble(arch string, base, program v1.Layer, state checkout, source string) (v1.Image, error) {
	labels := map[string]string{
		"org.opencontainers.image.title":       "Syncline",
		"org.opencontainers.image.description": "A self-hosted GraphQL sync service",
		"org.opencontainers.image.licenses":    "MIT",
		"org.opencontainers.image.version":     state.version,
		"org.opencontainers.image.revision":    state.revision,
		"org.opencontainers.image.source":      source,
	}
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	image, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), &v1.ConfigFile{
		OS:           "linux",
		Architecture: arch,
		Created:      v1.Time{Time: state.committed},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User:         "65532:65532",
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SSL_CERT_FILE=" + certificatesFile, "SQLITE_DIR_PATH=/db"},
			Entrypoint:   []string{"/syncline"},
			Cmd:          []string{"serve"},
			Volumes:      map[string]struct{}{"/db": {}},
			WorkingDir:   "/",
			Labels:       labels,
			StopSignal:   "SIGTERM",
			Healthcheck:  &v1.HealthConfig{Test: []string{"CMD", "/syncline", "healthcheck"}, Interval: 5 * time.Second, Timeout: 4 * time.Second, StartPeriod: 30 * time.Second},
		},
	})
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: state.committed}
	return mutate.Append(image,
		mutate.Addendum{Layer: base, History: v1.History{Created: created, Comment: "certificates, time zones, a user and its volume"}},
		mutate.Addendum{Layer: program, History: v1.History{Created: created, Comment: "syncline " + state.version}})
}
