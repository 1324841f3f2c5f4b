package lifecycle

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// queueListener closes without resetting those who wait in the kernel's queue: they are
// connected already, as they see it, and may have sent a request. After Close, Accept
// answers them first, and closes the socket when none is left.
type queueListener struct {
	*net.TCPListener
	closing atomic.Bool
	taken   int // after Close
}

// queueMost bounds who is still let in after Close, so that a crowd that keeps coming
// holds nothing up: as many as wait in Linux's queue by default.
const queueMost = 4096

// Accept implements net.Listener.
func (l *queueListener) Accept() (net.Conn, error) {
	for !l.closing.Load() {
		conn, err := l.TCPListener.Accept()
		if err == nil || !l.closing.Load() {
			return conn, err
		}
	}
	conn, err := l.waiting()
	if l.taken++; err != nil || l.taken > queueMost {
		if err == nil {
			_ = conn.Close()
		}
		return nil, errors.Join(net.ErrClosed, l.TCPListener.Close())
	}
	return conn, nil
}

// Close implements net.Listener. The first time it has Accept close the socket.
func (l *queueListener) Close() error {
	if l.closing.Swap(true) {
		return l.TCPListener.Close()
	}
	return errors.Join(l.shorten(), l.SetDeadline(time.Unix(1, 0))) // which ends the Accept that waits
}

// shorten makes the kernel's queue as short as can be: on Linux, one place. A client that connects while it is
// taken tries again a second later, when nobody listens any more, and is refused. So at most one
// is reset by the closing of the socket, however long the last look at the queue was before.
func (l *queueListener) shorten() error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(listener uintptr) { failed = syscall.Listen(int(listener), 0) })
	return errors.Join(err, failed)
}

// waiting is a connection that waits in the kernel's queue; an error if there is none.
func (l *queueListener) waiting() (net.Conn, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(listener uintptr) {
		fd, _, failed = syscall.Accept(int(listener)) // it does not wait: the socket is Go's
	}); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "connection")
	defer func() { _ = file.Close() }() // FileConn has a copy
	return net.FileConn(file)
}
