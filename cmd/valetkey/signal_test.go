package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestSignal runs the program itself: SIGTERM ends it, and it ends well.
func TestSignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		dir := t.TempDir()
		config := filepath.Join(dir, "valetkey.yaml")
		if err := os.WriteFile(config, []byte(smallConfig+"log: {format: json}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		// The scripts' commands are found by name.
		cmd := exec.CommandContext(t.Context(), "valetkey", "serve", "--config", config)
		out, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said += lines.Text() + "\n"
			var entry struct{ Msg string }
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "serving" {
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v ends it with %v:\n%s", sig, err, said)
		}
	}
}
