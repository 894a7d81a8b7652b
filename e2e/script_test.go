package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// script is a running program of another language, which talks to the test by
// lines of JSON.
type script struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// python runs with the packages that scripts/setup.sh has installed.
const python = "../.cache/python/bin/python"

// runNode runs a script of the folder node.
func runNode(t *testing.T, name string, given any) *script {
	t.Helper()
	if _, err := os.Stat("node/node_modules/openid-client"); err != nil {
		t.Fatal("the Node client's packages are not installed: run `make setup` (or `npm ci` in e2e/node) and the tests again")
	}
	return runScript(t, "node", "node", name, given)
}

// runPython runs a script of the folder python.
func runPython(t *testing.T, name string, given any) *script {
	t.Helper()
	if _, err := os.Stat(python); err != nil {
		t.Fatal("the Python client's packages are not installed: run `make setup` and the tests again")
	}
	return runScript(t, "python", "../"+python, name, given)
}

func runScript(t *testing.T, dir, interpreter, name string, given any) *script {
	t.Helper()
	argument, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{cmd: exec.Command(interpreter, name, string(argument))}
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	s.cmd.Stderr = &s.stderr
	s.cmd.SysProcAttr = dieWithParent()
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v: run `make setup` and the tests again", interpreter, err)
	}
	return s
}

// ask sends a line and reads one.
func (s *script) ask(t *testing.T, question, into any) {
	t.Helper()
	line, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		t.Fatalf("the script has ended: %v: %s", err, s.stderr.String())
	}
	s.read(t, into)
}

// read reads one line.
func (s *script) read(t *testing.T, into any) {
	t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		_ = s.in.Close()
		_ = s.cmd.Wait()
		t.Fatalf("the script fails: %s", strings.TrimSpace(s.stderr.String()))
	}
	if err := json.Unmarshal([]byte(line), into); err != nil {
		t.Fatalf("the script says %q: %v", line, err)
	}
}

// end waits until it has ended by itself.
func (s *script) end(t *testing.T) {
	t.Helper()
	_ = s.in.Close()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the script ends with %v: %s", err, s.stderr.String())
	}
}
