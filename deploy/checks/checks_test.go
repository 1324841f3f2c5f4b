// Package checks tests the files for tools that need an account or a container
// engine, each with what the tool itself reads it by: compose.yaml, the workflows,
// fly.toml, the example of Fly for Breez clients, the systemd unit and the Dockerfile. It makes
// the image and runs it, and has a Prometheus evaluate the alerts and the dashboard. It is a module of its own, so
// that the server does not depend on these tools.
package checks

import (
	"os"
	"testing"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
