//go:build !linux

package storetest

import "syscall"

// dieWithParent does nothing here: only Linux tells a child of its parent's
// death. [Main] still stops the server when the tests end by themselves.
func dieWithParent(*syscall.SysProcAttr) {}
