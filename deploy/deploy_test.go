// Package deploy tests what Syncline is deployed behind: nginx with nginx.conf, and
// HAProxy as the guide has it, in front of real instances. The module checks beside
// it tests the files for tools that need an account or a container engine.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"syncline/internal/testservers"
)

func TestMain(m *testing.M) { os.Exit(testservers.Main(m)) }

// long runs are for make verify.
var long = os.Getenv("SYNCLINE_VERIFY") != ""

// installed is the path of a program that a Debian package brings.
func installed(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path = filepath.Join("/usr/sbin", program) // not in everybody's PATH
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s was not found: install the package %s", program, debianPackage)
		}
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
