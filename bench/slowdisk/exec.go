package slowdisk

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// socketFD is where Exec finds the socket on which it hands over its listener.
const socketFD = 3

// Exec becomes another program, whose syncs are held: what the launcher does
// that Start starts. It returns only if it fails.
func Exec(program string, args []string) error {
	runtime.LockOSThread() // the filter is the thread's, and exec keeps this one
	listener, err := install()
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(socketFD, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		return fmt.Errorf("hand over the listener: %w", err)
	}
	_ = unix.Close(socketFD)
	return unix.Exec(program, append([]string{program}, args...), os.Environ())
}
