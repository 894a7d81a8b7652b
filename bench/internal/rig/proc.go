package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the kernel's unit of processor time, on every Linux that there is.
const tick = 10 * time.Millisecond

// stat reads the fields of a process after its name, which may hold anything.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}

// processor is the time that a process has had: user and system.
func processor(pid int) time.Duration {
	f := stat(pid)
	if len(f) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * tick
}

// ownProcessor is the time that this process has had, to the microsecond.
func ownProcessor() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// family is the time of a process, of its children that live, and of those that
// are gone.
func family(pid int) time.Duration {
	total := processor(pid)
	if f := stat(pid); len(f) > 14 {
		user, _ := strconv.Atoi(f[13])
		system, _ := strconv.Atoi(f[14])
		total += time.Duration(user+system) * tick
	}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if f := stat(child); err == nil && len(f) > 1 && f[1] == strconv.Itoa(pid) {
			total += processor(child)
		}
	}
	return total
}

// memory is what the kernel says of a process's memory, in bytes.
func memory(pid int, what string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == what {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// Load is how busy the machine is, as it says itself.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
