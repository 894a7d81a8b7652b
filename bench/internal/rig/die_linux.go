package rig

import "syscall"

// dieWithParent has the kernel end a server when the bench ends, in whatever way.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
