package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/valetkey/valetkey/internal/testkit"
)

// demonstration is the program as a newcomer runs it.
type demonstration struct {
	cmd    *exec.Cmd
	dir    string // where it puts temporary files
	guide  string // what it has printed
	out    io.Reader
	errors bytes.Buffer
}

func startDemo(t *testing.T, port string) *demonstration {
	t.Helper()
	d := &demonstration{dir: t.TempDir()}
	d.cmd = exec.CommandContext(t.Context(), "valetkey", "demo", "--port", port)
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.dir, "TMP="+d.dir)
	d.cmd.Stderr = &d.errors
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.out = out
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// await reads until the guide has been printed.
func (d *demonstration) await(t *testing.T) {
	t.Helper()
	for b := make([]byte, 4096); !strings.Contains(d.guide, "Ctrl-C"); {
		n, err := d.out.Read(b)
		if d.guide += string(b[:n]); err != nil {
			t.Fatalf("it ends before it says what to do: %v: %s %s", err, d.guide, &d.errors)
		}
	}
}

// end sends a signal, and wants nothing to be left.
func (d *demonstration) end(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(d.out)
	if err != nil {
		t.Fatal(err)
	}
	d.guide += string(rest)
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("%v ends it with %v: %s", sig, err, &d.errors)
	}
	left, err := os.ReadDir(d.dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v leaves %v behind (%v)", sig, left, err)
	}
	if lines := strings.Count(d.guide, "\n"); lines > 15 {
		t.Errorf("it prints %d lines: %s", lines, d.guide)
	}
}

// urls are those in the guide, the app's first.
func (d *demonstration) urls() []string {
	return regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindAllString(d.guide, -1)
}

// TestDemo: it says little, leaves nothing, and two can run side by side.
func TestDemo(t *testing.T) {
	t.Parallel()
	first := startDemo(t, "0")
	first.await(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(first.urls()[1], "http://"))
	if err != nil {
		t.Fatal(err)
	}
	second := startDemo(t, port) // taken: it finds another
	second.await(t)
	if a, b := first.urls(), second.urls(); len(a) != 3 || len(b) != 3 || a[1] == b[1] {
		t.Errorf("they are at %v and %v", a, b)
	}
	first.end(t, os.Interrupt)
	second.end(t, syscall.SIGHUP)
	for _, d := range []*demonstration{first, second} {
		if d.errors.Len() > 0 {
			t.Errorf("it complains: %s", &d.errors)
		}
	}
}

// TestDemoEndsWhileItBegins: at whatever point that is.
func TestDemoEndsWhileItBegins(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "0")
	for again := time.NewTicker(time.Millisecond); ; <-again.C { // until there is something to leave behind
		if made, err := os.ReadDir(d.dir); err != nil {
			t.Fatal(err)
		} else if len(made) > 0 {
			break
		}
	}
	d.end(t, syscall.SIGTERM)
}

// TestDemoStory is what a newcomer does, in one browser with two tabs: lend,
// enter, look around, take back.
func TestDemoStory(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "0")
	d.await(t)
	docs := d.urls()[0]
	owner, agent := tabs(t)
	run := func(tab context.Context, what string, do ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(tab, do...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run(owner, "lending", chromedp.Navigate(docs), chromedp.Click(css(`button[value=olivia]`)), chromedp.Click(css(`a[href="/app/settings"]`)),
		chromedp.Click(css(`a[href$="/support-access"]`)), chromedp.Click(css(`button.generate`)), chromedp.WaitVisible(css(`#secret`)))
	shown, err := chromedp.Run(owner, chromedp.Text(css(`#secret`)))
	if err != nil {
		t.Fatal(err)
	}
	pin := regexp.MustCompile(`\D`).ReplaceAllString(shown, "")
	form := func(field string) css { return css(`form:has(input[name=pin]) ` + field) }
	run(agent, "entering", chromedp.Navigate(docs), chromedp.Click(css(`a[href="/support"]`)), chromedp.Click(css(`button[value=dana]`)),
		chromedp.SendKeys(form(`input[name=account]`), "4821"), chromedp.SendKeys(form(`input[name=pin]`), pin),
		chromedp.SendKeys(form(`input[name=reason]`), "ticket 4711"), chromedp.Click(form(`button.main`)),
		chromedp.Click(css(`button[name=enter]`)))
	wants(agent, t, "Support mode", "Acme Inc", "Dana Reed", "Travel policy")
	run(agent, "deleting", chromedp.Click(css(`.list a`)), chromedp.Click(css(`button.end`)))
	wants(agent, t, "Deleting is never lent to support")
	run(agent, "billing", chromedp.Click(css(`a[href="/support/billing"]`)))
	wants(agent, t, "Billing is never lent to support")

	run(owner, "watching", chromedp.Navigate(d.urls()[1]+"/support-access"))
	wants(owner, t, "Dana Reed", "Blocked", "See billing")
	run(owner, "revoking", chromedp.Click(css(`button[data-key=revoke]`)))
	wants(owner, t, "Access is revoked", "Northwind Docs refused after ")
	run(agent, "the next click", chromedp.Click(css(`a[href="/support/documents"].main`)))
	wants(agent, t, "The customer ended access at ")
	run(owner, "going on", chromedp.Navigate(docs+"/app/documents"))
	wants(owner, t, "Olivia Owner", "Travel policy")
	d.end(t, os.Interrupt)
	if d.errors.Len() > 0 {
		t.Errorf("it complains: %s", &d.errors)
	}
}

// css selects as style sheets do.
type css = chromedp.CSS

// tabs opens two tabs of one headless browser, which share their cookies.
func tabs(t *testing.T) (first, second context.Context) {
	t.Helper()
	first, cancel := context.WithTimeout(testkit.Chromium(t), 3*time.Minute)
	t.Cleanup(cancel)
	second, cancel = chromedp.NewContext(first)
	t.Cleanup(cancel)
	return first, second
}

// wants waits until the tab shows a page that says all of this.
func wants(tab context.Context, t *testing.T, words ...string) {
	t.Helper()
	said := ""
	for again := time.NewTicker(20 * time.Millisecond); ; {
		text, err := chromedp.Run(tab, chromedp.Text(css(`body`)))
		if err == nil { // else the page is just being left
			said = text
		}
		missing := func(word string) bool { return !strings.Contains(said, word) }
		if !slices.ContainsFunc(words, missing) {
			return
		}
		select {
		case <-again.C:
		case <-tab.Done():
			t.Fatalf("the page does not say %q: %s", words, said)
		}
	}
}
