package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait for the browser; it is no expectation of speed.
const patience = 2 * time.Minute

// css selects as style sheets do.
type css = chromedp.CSS

// step is one thing to do in a tab.
type step = chromedp.Action[chromedp.Void]

// look is how a tab shows pages.
type look struct {
	name    string
	width   int64
	dark    bool
	scripts bool
}

// tab is one window with cookies of its own.
type tab struct {
	t    *testing.T
	root context.Context // of the browser's, for another tab
	ctx  context.Context
	look look

	mu    sync.Mutex
	noise []string // what a developer would see in the console
}

func open(browser context.Context, t *testing.T, l look) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	return prepare(ctx, t, l)
}

// beside opens another tab in the same window: both have the same cookies.
func (b *tab) beside() *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.root)
	b.t.Cleanup(cancel)
	return prepare(ctx, b.t, b.look)
}

func prepare(ctx context.Context, t *testing.T, l look) *tab {
	t.Helper()
	b := &tab{t: t, root: ctx, ctx: ctx, look: l}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	b.ctx = limited
	if err := chromedp.Listen(b.ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, runtime.Enable, cdp.Empty{})
	call(b, audits.Enable, cdp.Empty{})
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: 800, DeviceScaleFactor: 1})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !l.scripts})
	return b
}

// call runs one command of the protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

// companysFont is what the company's own pages ask for, which does not exist
// here. Chromium says so whenever it comes to it, on a later page too; a page of
// ours that asked for it would break its own policy, which is collected.
const companysFont = "https://fonts.googleapis.com/"

// listen collects everything that should not be there. That a refused form has
// a status of its own is not a mistake, though Chromium logs it.
func (b *tab) listen(event any) {
	said := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "responded with a status of 4") && !strings.HasPrefix(e.Entry.URL, companysFont) {
			said = string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL
		}
	case *runtime.EventConsoleAPICalled:
		said = "console." + string(e.Type)
	case *runtime.EventExceptionThrown:
		said = "exception: " + fmt.Sprint(e.ExceptionDetails.Text)
	case *audits.EventIssueAdded:
		if e.Issue.Code == audits.InspectorIssueCodeContentSecurityPolicyIssue {
			details, _ := json.Marshal(e.Issue.Details)
			said = "policy: " + string(details)
		}
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.noise = append(b.noise, said)
	}
}

func (b *tab) run(what string, steps ...step) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.fail(what, err)
	}
}

// ask runs an action that has an answer.
func ask[T any](b *tab, what string, a chromedp.Action[T]) T {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.fail(what, err)
	}
	return out
}

func (b *tab) fail(what string, err error) {
	b.t.Helper()
	page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.t.Fatalf("%s (%s): %v; the page says: %s; the console: %q", what, b.look.name, err, page, b.noise)
}

// check looks at the page that is shown: nothing in the console, nothing that
// overflows, nothing that is not accessible. It leaves a screenshot.
func (b *tab) check(page string) {
	b.t.Helper()
	b.keep(page, ask(b, "a picture of "+page, chromedp.FullScreenshot(100)))
	if over := ask(b, "measuring "+page, chromedp.Evaluate[[]string](overflow)); len(over) > 0 {
		b.t.Errorf("%s at %d (%s) is wider than the window: %q", page, b.look.width, b.look.name, over)
	}
	b.accessible(page)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.noise) > 0 {
		b.t.Errorf("%s (%s) makes the browser say: %q", page, b.look.name, b.noise)
	}
	b.noise = nil
}

// overflow lists what reaches beyond the window's right edge.
const overflow = `(() => {
  const room = document.documentElement.clientWidth, out = [];
  if (document.documentElement.scrollWidth > room) out.push("the page: " + document.documentElement.scrollWidth);
  for (const e of document.querySelectorAll("body *")) {
    const r = e.getBoundingClientRect();
    if (r.width > 1 && r.right > room + 1) out.push(e.tagName + "." + e.className + " " + Math.round(r.right));
  }
  return out;
})()`

func (b *tab) keep(page string, picture []byte) {
	b.t.Helper()
	const folder = "../out"
	err := os.MkdirAll(folder, 0o750)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%s.png", page, b.look.name)), picture, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// axe is the source of the rules.
var axe = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	return string(text), err
})

// accessible runs every rule of axe-core, where it can run: without scripts the
// page is the same.
func (b *tab) accessible(page string) {
	b.t.Helper()
	if !b.look.scripts {
		return
	}
	source, err := axe()
	if err != nil {
		b.t.Fatalf("axe-core is not installed: run `make setup` (%v)", err)
	}
	type violation struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	type result struct {
		Violations []violation
		Passes     int
	}
	found := ask(b, "asking for accessibility", chromedp.Evaluate[result](
		source+`; axe.run().then(r => ({violations: r.violations, passes: r.passes.length}))`, chromedp.EvalAwaitPromise))
	if found.Passes == 0 {
		b.t.Errorf("%s (%s): no rule of axe-core looked at anything", page, b.look.name)
	}
	for _, v := range found.Violations {
		b.t.Errorf("%s (%s): %s: %s %+v", page, b.look.name, v.ID, v.Help, v.Nodes)
	}
}
