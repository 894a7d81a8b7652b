package storetest

import "syscall"

// dieWithParent has the kernel interrupt the child when this process ends, in
// whatever way: a panic, a time-out of go test, kill -9. SIGQUIT is
// PostgreSQL's immediate shutdown.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
