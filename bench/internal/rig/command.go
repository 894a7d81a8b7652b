package rig

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Main runs a command of the bench, in a folder that is removed with what is in it,
// until it is done, somebody interrupts it, or its time is over; it exits with 1
// where that was an error.
func Main(name string, limit time.Duration, run func(ctx context.Context, dir string) error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, limit)
	err := inFolder(ctx, run)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func inFolder(ctx context.Context, run func(context.Context, string) error) error {
	if len(os.Args) == 3 && os.Args[1] == hello {
		return serveHello(os.Args[2])
	}
	dir, err := os.MkdirTemp("", "valetkey-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return run(ctx, dir)
}

// Misused ends a command that was called with flags that it cannot use.
func Misused(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(2)
}

// Numbers reads numbers with commas between them.
func Numbers(text string, highest int) (out []int, err error) {
	for _, t := range strings.Split(text, ",") {
		n, err := strconv.Atoi(t)
		if err != nil || n < 1 || n > highest {
			return nil, fmt.Errorf("%q is no number from 1 to %d", t, highest)
		}
		out = append(out, n)
	}
	return out, nil
}

// Machine says where something was measured, and how busy that was.
func Machine() string {
	return fmt.Sprintf("%s, %s/%s, %d processors, load %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), Load())
}

// Milliseconds says a time in ms.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
