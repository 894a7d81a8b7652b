package storetest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// logLines is how much of the server's log is kept for failure messages.
const logLines = 40

// child is a process that ends when this one does.
type child struct {
	process *os.Process
	ready   chan struct{} // closed when the awaited line was logged
	ended   chan struct{} // closed when the process has ended

	mu    sync.Mutex
	lines []string
	seen  bool
}

// startChild starts cmd and waits until it logs a line that contains ready.
func startChild(cmd *exec.Cmd, ready string, timeout time.Duration) (*child, error) {
	c := &child{ready: make(chan struct{}), ended: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	dieWithParent(cmd.SysProcAttr)
	started := make(chan error, 1)
	go c.run(cmd, stderr, ready, started)
	if err := <-started; err != nil {
		return nil, err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-c.ready:
		return c, nil
	case <-c.ended:
		return nil, fmt.Errorf("%s ended at once:\n%s", filepath.Base(cmd.Path), c.log())
	case <-timer.C:
		c.stop(os.Kill, timeout)
		return nil, fmt.Errorf("%s did not become ready:\n%s", filepath.Base(cmd.Path), c.log())
	}
}

// run owns the process from start to end. The kernel sends the signal of a
// parent's death when the *thread* that started the child ends, so this
// goroutine keeps its thread for as long as the child lives.
func (c *child) run(cmd *exec.Cmd, stderr io.Reader, ready string, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.ended)
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	c.process = cmd.Process
	started <- nil
	scanner := bufio.NewScanner(stderr)
	for scanner.Scan() {
		c.note(scanner.Text(), ready)
	}
	// A line too long for the scanner must not block the server.
	_, _ = io.Copy(io.Discard, stderr)
	_ = cmd.Wait()
}

func (c *child) note(line, ready string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	if len(c.lines) > logLines {
		c.lines = c.lines[1:]
	}
	if !c.seen && strings.Contains(line, ready) {
		c.seen = true
		close(c.ready)
	}
}

func (c *child) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines, "\n")
}

// stop asks the process to end, and kills it if it does not within patience.
func (c *child) stop(signal os.Signal, patience time.Duration) {
	_ = c.process.Signal(signal)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		_ = c.process.Kill()
		<-c.ended
	}
}
