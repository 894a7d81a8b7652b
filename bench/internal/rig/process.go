package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Process is a server that was started to be measured.
type Process struct {
	cmd   *exec.Cmd
	ended chan error
	log   string        // file of what it says
	Took  time.Duration // from the start until it was ready
}

// StartProcess runs a command until Stop, with what it says in a file, and waits
// until it answers at the URL.
func StartProcess(ctx context.Context, cmd *exec.Cmd, log, url string) (*Process, error) {
	file, err := os.Create(log) //nolint:gosec // in a folder of ours
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the command has it too
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = file, file, dieWithParent()
	p := &Process{cmd: cmd, ended: make(chan error, 1), log: log}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.ended <- cmd.Wait() }()
	if err := p.await(ctx, url); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	p.Took = time.Since(begun)
	return p, nil
}

func (p *Process) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		if r, err := http.Get(url); err == nil { //nolint:gosec // on loopback
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-again.C:
		case err := <-p.ended:
			p.cmd = nil
			said, _ := os.ReadFile(p.log)
			return fmt.Errorf("the server ended at once: %w\n%s", err, said)
		case <-ctx.Done():
			return errors.New("the server did not become ready")
		}
	}
}

// Said is the end of what it said.
func (p *Process) Said() string {
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-2000):])
}

// Stop ends it as an operator does.
func (p *Process) Stop() error {
	if p == nil || p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		p.cmd = nil
		return err
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		return errors.New("the server did not stop")
	}
}

// Processor is the processor time that it has had.
func (p *Process) Processor() time.Duration { return processor(p.cmd.Process.Pid) }

// Memory is its resident memory, in bytes.
func (p *Process) Memory() int64 { return memory(p.cmd.Process.Pid, "VmRSS:") }

// MostMemory is the most that it ever was.
func (p *Process) MostMemory() int64 { return memory(p.cmd.Process.Pid, "VmHWM:") }
