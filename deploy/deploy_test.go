// Package deploy tests what Syncline is deployed behind: nginx with nginx.conf, and
// HAProxy as the guide has it, in front of real instances. The module checks beside
// it tests the files for tools that need an account or a container engine.
package deploy

import (
	"os"
	"testing"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// long runs are for make verify.
var long = os.Getenv("SYNCLINE_VERIFY") != ""

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
