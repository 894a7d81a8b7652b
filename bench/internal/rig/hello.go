package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// hello has the program of the bench be the smallest server that there is.
const hello = "hello"

func serveHello(address string) error {
	server := &http.Server{Addr: address, ReadHeaderTimeout: replyLimit, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	})}
	return server.ListenAndServe()
}

const greeters = 8

// replies asks that server in another process, as all others are asked.
func replies(ctx context.Context, dir string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	server, err := StartProcess(ctx, exec.Command(program, hello, address), filepath.Join(dir, "hello.log"), "http://"+address) //nolint:gosec // this program
	if err != nil {
		return err
	}
	defer server.kill()
	visitors := make([]*Visitor, greeters)
	for i := range visitors {
		visitors[i] = NewVisitor(nil)
	}
	got, err := Measure(ctx, visitors, 2*span, func() Usage { return Usage{Server: server.Processor()} }, func(ctx context.Context, i int) error {
		said, err := visitors[i].Get(ctx, "http://"+address)
		if err == nil && string(said.Body) != "hello" {
			err = fmt.Errorf("it says %.60q", said.Body)
		}
		return err
	})
	if err == nil {
		fmt.Printf("  net/http     %.0f trivial replies a second to %d clients; processor time of one: server %.3f ms, this generator %.3f ms\n",
			got.Rate, greeters, Milliseconds(got.Server), Milliseconds(got.Generator))
	}
	return err
}

// kill ends a process that keeps nothing.
func (p *Process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.ended
		p.cmd = nil
	}
}
