package e2e

import "syscall"

// dieWithParent has the kernel kill the program when the tests die, so that a
// test run that was killed leaves no server behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
