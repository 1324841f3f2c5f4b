package group

import (
	"context"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

func run(ctx context.Context, c Command) (code int, err error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, os.NewSyscallError("CreateJobObject", err)
	}
	defer func() { _ = windows.CloseHandle(job) }()
	// Should this program be killed, its end closes the job, and that ends the command.
	if err := killOnClose(job, windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE); err != nil {
		return 0, os.NewSyscallError("SetInformationJobObject", err)
	}
	process, err := os.StartProcess(c.Path, c.Args, &os.ProcAttr{
		Env: c.Env, Files: []*os.File{c.Stdin, c.Stdout, c.Stderr},
		Sys: &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP},
	})
	if err != nil {
		return 0, &NotRunError{c.Args[0], 126, err}
	}
	if err := assign(job, process.Pid); err != nil {
		_ = process.Kill()
		_, _ = process.Wait()
		return 0, &NotRunError{c.Args[0], 126, err}
	}

	ended := make(chan *os.ProcessState, 1)
	go func() {
		state, _ := process.Wait()
		ended <- state
	}()
	select {
	case state := <-ended:
		_ = killOnClose(job, 0) // what it left running goes on
		return state.ExitCode(), nil
	case <-ctx.Done():
	}
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(process.Pid))
	deadline := time.NewTimer(c.Grace)
	defer deadline.Stop()
	select {
	case state := <-ended:
		_ = windows.TerminateJobObject(job, 1)
		return state.ExitCode(), nil
	case <-deadline.C:
		_ = windows.TerminateJobObject(job, 1)
		return (<-ended).ExitCode(), nil
	}
}

func killOnClose(job windows.Handle, flags uint32) error {
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: flags},
	}
	_, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))) //nolint:gosec // G103: what the system call takes
	return err
}

func assign(job windows.Handle, pid int) error {
	handle, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return os.NewSyscallError("OpenProcess", err)
	}
	defer func() { _ = windows.CloseHandle(handle) }()
	return os.NewSyscallError("AssignProcessToJobObject", windows.AssignProcessToJobObject(job, handle))
}
