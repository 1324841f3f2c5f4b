package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/gofrs/flock"
)

// unixPrefix begins an address that is a path.
const unixPrefix = "unix:"

// unixListener holds the lock of its path until it is closed.
type unixListener struct {
	net.Listener
	lock *flock.Flock
}

// listenUnix binds a socket of this mode to a path. Who listens there holds a lock beside it, which ends
// with the process: what a killed one has left is removed, that of a living one is
// not, nor is anything that is no socket.
func listenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	switch locked, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("failed to lock %s: %w", lock.Path(), err)
	case !locked:
		return nil, fmt.Errorf("another instance listens on %s", path)
	}
	listener, err := bindUnix(ctx, path, mode)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &unixListener{Listener: listener, lock: lock}, nil
}

func bindUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and no socket: it is not replaced", path)
	default:
		if conn, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("another program listens on %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("failed to remove a socket that nobody listens on: %w", err)
		}
	}
	// Linux makes the socket with the mode that its descriptor has: at no time may
	// others connect than those who may later.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}}
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode.Perm()); err != nil {
		return nil, errors.Join(fmt.Errorf("failed to set the socket's mode: %w", err), listener.Close())
	}
	return listener, nil
}

// Accept implements net.Listener. A peer's own name, which it may choose, does not
// count as an address.
func (l *unixListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if unix, ok := conn.(*net.UnixConn); ok {
		conn = nameless{unix}
	}
	return conn, err
}

// Close implements net.Listener: it removes the socket.
func (l *unixListener) Close() error {
	return errors.Join(l.Listener.Close(), l.lock.Close())
}

type nameless struct{ *net.UnixConn }

// RemoteAddr implements net.Conn.
func (nameless) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }
