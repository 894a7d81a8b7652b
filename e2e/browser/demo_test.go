package browser

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/internal/testkit"
)

// demonstration is a running `valetkey demo`.
type demonstration struct {
	t      *testing.T
	cmd    *exec.Cmd
	temp   string // the only folder it may write to
	guide  string // what it printed
	docs   string // where it says to begin
	stderr bytes.Buffer
}

// demonstrate starts one in a process group and a temporary folder of its own,
// and reads what it prints.
func demonstrate(t *testing.T) *demonstration {
	t.Helper()
	d := &demonstration{t: t, temp: t.TempDir()}
	d.cmd = exec.Command(program, "demo", "--port", "0")
	d.cmd.Dir, d.cmd.Env = d.temp, []string{"TMPDIR=" + d.temp, "HOME=" + d.temp, "PATH=" + os.Getenv("PATH")}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.Stderr = &d.stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) }) // whatever is left, should the test fail
	_ = out.(*os.File).SetReadDeadline(time.Now().Add(patience))
	lines := bufio.NewReader(out)
	for !strings.Contains(d.guide, "Ctrl-C") {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("valetkey demo does not say how it ends: %v: %s %s", err, d.guide, d.stderr.String())
		}
		d.guide += line
	}
	_ = out.(*os.File).SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	if n := strings.Count(d.guide, "\n"); n > 15 {
		t.Errorf("valetkey demo prints %d lines: %s", n, d.guide)
	}
	if d.docs = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(d.guide); d.docs == "" {
		t.Fatalf("valetkey demo does not say what to open: %s", d.guide)
	}
	return d
}

// interrupt presses Ctrl-C, and wants nothing to be left.
func (d *demonstration) interrupt() {
	d.t.Helper()
	pid := d.cmd.Process.Pid
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			d.t.Errorf("valetkey demo ends with %v: %s", err, d.stderr.String())
		}
	case <-time.After(patience):
		d.t.Fatal("valetkey demo does not end on Ctrl-C")
	}
	if err := syscall.Kill(-pid, 0); err == nil {
		d.t.Error("a process of the demonstration still runs")
	}
	left, err := filepath.Glob(filepath.Join(d.temp, "*"))
	if err != nil || len(left) > 0 {
		d.t.Errorf("valetkey demo leaves %q (%v)", left, err)
	}
	if d.stderr.Len() > 0 {
		d.t.Errorf("valetkey demo complains: %s", d.stderr.String())
	}
}

// TestTheDemonstration walks what `valetkey demo` prints, in two tabs of one
// browser: lend, enter, look around, take back. It leaves the picture that the
// README shows.
func TestTheDemonstration(t *testing.T) {
	t.Parallel()
	d, chrome := demonstrate(t), testkit.Chromium(t)
	for _, step := range []string{"Lend", "I am a customer", "Olivia Owner", "Settings, Support access", "Enter", "I am on the support team",
		"Dana Reed", "4821", "Look around", "Take back", "Revoke access"} {
		if !strings.Contains(d.guide, step) {
			t.Errorf("the guide does not say %q: %s", step, d.guide)
		}
	}
	owner := open(chrome, t, looks[0])
	owner.run("opening the demonstration", chromedp.Navigate(d.docs))
	owner.await("I am a customer")
	owner.check("demo")
	owner.click(`button[value=olivia]`, "Documents")
	owner.click(`nav a[href="/app/settings"]`, "Support access")
	owner.click(`main section a.button`, "Nobody can get in")
	pin := owner.generate("support-pin")

	agent := owner.beside()
	agent.run("opening the demonstration", chromedp.Navigate(d.docs))
	agent.click(`a[href="/support"]`, "Who are you")
	agent.click(`button[value=dana]`, "Support PIN")
	agent.run("the PIN", fill("4821", pin), chromedp.WaitVisible(css(`button[name=enter]`)))
	agent.check("demo-summary")
	agent.click(`button[name=enter]`, "Support mode")
	agent.check("demo-support")
	d.lookAround(agent)
	d.takeBack(owner, agent)
	d.interrupt()
}

// click clicks and waits for what it leads to.
func (b *tab) click(selector, words string) {
	b.t.Helper()
	b.run("clicking "+selector, chromedp.Click(css(selector)))
	b.await(words)
}

// lookAround reads what was lent, and tries what is not.
func (d *demonstration) lookAround(agent *tab) {
	d.t.Helper()
	agent.click(`main ul.list a`, "Delete")
	agent.click(`form[action$="/delete"] button`, "Deleting is never lent to support")
	agent.wants("Nothing was done")
	agent.check("demo-refused")
	agent.click(`nav a[href="/support/billing"]`, "Billing is never lent to support")
	agent.click(`nav a[href="/support/documents"]`, "Documents")
	agent.click(`main ul.list a`, "Delete")
	agent.quiet("looking around")
}

// takeBack has the owner see all that, and end it; the agent's next click is
// refused, and says since when.
func (d *demonstration) takeBack(owner, agent *tab) {
	d.t.Helper()
	call(owner, page.BringToFront, cdp.Empty{})
	owner.follow("Blocked:")
	owner.wants("Dana Reed is in your account", "ticket 4711", "Northwind SSO")
	owner.run("looking again", chromedp.Navigate(owner.address()), chromedp.WaitVisible(css(`button[data-key=revoke]`)))
	owner.check("demo-owner")
	owner.readme()
	owner.click(`button[data-key=revoke]`, "Access is revoked")
	owner.await("Northwind Docs refused after ") // by the app's own receipt
	owner.check("demo-over")
	owner.quiet("revoking")
	agent.click(`nav a[href="/support/documents"]`, "The customer ended access at ")
	agent.check("demo-ended")
	if text := ask(agent, "reading the page", chromedp.Text(css(`main`))); !regexp.MustCompile(`ended access at \d\d:\d\d`).MatchString(text) {
		d.t.Errorf("the agent is not told when it ended: %s", text)
	}
}

// address is the owner's page without what a click left in it.
func (b *tab) address() string {
	b.t.Helper()
	return ask(b, "reading the address", chromedp.Evaluate[string](`location.origin + "/support-access"`))
}
