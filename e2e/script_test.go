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
	return runScript(t, "node", nil, "node", name, argument(t, given))
}

// runPython runs a script of the folder python.
func runPython(t *testing.T, name string, given any) *script {
	t.Helper()
	return runInPython(t, nil, name, argument(t, given))
}

func runInPython(t *testing.T, env []string, args ...string) *script {
	t.Helper()
	if _, err := os.Stat(python); err != nil {
		t.Fatal("the Python client's packages are not installed: run `make setup` and the tests again")
	}
	return runScript(t, "python", env, "../"+python, args...)
}

func argument(t *testing.T, given any) string {
	t.Helper()
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func runScript(t *testing.T, dir string, env []string, interpreter string, args ...string) *script {
	t.Helper()
	s := &script{cmd: exec.Command(interpreter, args...)}
	s.cmd.Dir = dir
	s.cmd.Env = append(append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1"), env...)
	s.cmd.Stderr = &s.stderr
	s.cmd.SysProcAttr = dieWithParent()
	var err error
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
	if _, err := io.WriteString(s.in, argument(t, question)+"\n"); err != nil {
		t.Fatalf("the script has ended: %v: %s", err, s.stderr.String())
	}
	s.read(t, into)
}

// line reads one line.
func (s *script) line(t *testing.T) string {
	t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.kill()
		t.Fatalf("the script fails: %s", strings.TrimSpace(s.stderr.String()))
	}
	return line
}

// kill ends it, wherever it is.
func (s *script) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// read reads one line of JSON.
func (s *script) read(t *testing.T, into any) {
	t.Helper()
	line := s.line(t)
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
