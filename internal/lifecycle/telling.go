package lifecycle

import (
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// tellEvery is how often the log says that connections cannot be accepted.
const tellEvery = 10 * time.Second

// tellingListener tells in the log why connections are not accepted. net/http tries
// again, and says so among what clients do wrong. One goroutine accepts.
type tellingListener struct {
	net.Listener
	log  *slog.Logger
	told time.Time
}

// Accept implements net.Listener.
func (l *tellingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && time.Since(l.told) >= tellEvery {
		l.told = time.Now()
		l.log.Error("connections wait: no file descriptor is left for them; raise the limit of open files (ulimit -n), or lower MAX_CONNECTIONS", "error", err)
	}
	return conn, err
}
