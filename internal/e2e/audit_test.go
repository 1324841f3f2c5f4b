package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"syncline/internal/testservers"
)

// TestGraphQLOverHTTP runs the audits of graphql-http, signed.
func TestGraphQLOverHTTP(t *testing.T) {
	t.Parallel()
	server := testservers.StartSyncline(t)
	script := filepath.Join("..", "..", "web", "audit", "audit.js")
	out, err := exec.CommandContext(t.Context(), "node", script, server.URL()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v (without its packages? make setup installs them)\n%s", err, out)
	}
	if !strings.Contains(string(out), "61 of 61 audits passed, signed") {
		t.Errorf("got %s", out)
	}
}
