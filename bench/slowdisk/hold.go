package slowdisk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Start starts a command below a launcher, a program that calls Exec with its
// arguments. Each sync of the command takes the delay longer; syncs of several
// threads at a time overlap. It holds until the command has ended.
func Start(cmd *exec.Cmd, launcher string, delay time.Duration) error {
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer ours.Close()   //nolint:errcheck // nothing was written
	defer theirs.Close() //nolint:errcheck // likewise
	cmd.Args = append([]string{launcher, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = launcher
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = theirs.Close() // a launcher that fails ends the wait
	listener, err := receive(int(ours.Fd()))
	if err != nil {
		return errors.Join(fmt.Errorf("the launcher handed over no listener: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	go hold(listener, delay)
	return nil
}

func socketPair() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(pair[0]), "listener"), os.NewFile(uintptr(pair[1]), "listener"), nil
}

func receive(socket int) (listener int, err error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return 0, errors.Join(errors.New("it ended early"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, errors.Join(errors.New("no descriptor"), err)
	}
	return fds[0], nil
}

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	data  struct {
		number  int32
		arch    uint32
		pointer uint64
		args    [6]uint64
	}
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// goOn lets the held call take place.
const goOn = 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE

// hold lets each announced call go on after the delay, until nobody is left
// below the filter.
func hold(listener int, delay time.Duration) {
	defer unix.Close(listener) //nolint:errcheck // nothing was written
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		_, err := unix.Poll(ready, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil, ready[0].Revents&unix.POLLIN == 0:
			return // all have ended
		}
		var n notification
		if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil { //nolint:gosec // what the kernel takes
			continue // killed before it was asked
		}
		time.AfterFunc(delay, func() {
			r := response{id: n.id, flags: goOn}
			_ = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) //nolint:gosec // what the kernel takes; it may have been killed
		})
	}
}

func ioctl(fd int, request uint, argument unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument))
	if errno != 0 {
		return errno
	}
	return nil
}
