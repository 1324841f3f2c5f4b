package testservers

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Server is one of another maker that a test started.
type Server struct{ process *process }

// StartServer runs a server until the test ends, and waits until somebody listens
// at its address.
func StartServer(t testing.TB, address string, cmd *exec.Cmd) *Server {
	t.Helper()
	p := &Server{launch(t, cmd)}
	t.Cleanup(p.Kill)
	p.process.await(t, filepath.Base(cmd.Path), func(ctx context.Context) bool {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	return p
}

// Kill ends the server at once, and waits for its end.
func (p *Server) Kill() { p.process.kill() }

// Log is what the server said last.
func (p *Server) Log() string { return p.process.log.String() }

// Installed is the path of a program that a Debian package brings. Where it is not
// there, the test fails and says what to install.
func Installed(t testing.TB, program, debianPackage string) string {
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
