package templates_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/gorilla/mux"

	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/templates"
)

// patience bounds every wait for the browser; it is no expectation of speed.
const patience = 2 * time.Minute

// house serves the owner's page of an account as it is now, with the headers
// that all pages have.
type house struct {
	url string

	mu     sync.Mutex
	now    templates.Access
	status int // of the live parts
	looks  int // how often they were asked for
}

// is changes the account.
func (h *house) is(status int, change func(*templates.Access)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
	change(&h.now)
}

// looked waits until the page has looked so often since, and done with all but
// the last look what it does.
func (b *tab) looked(h *house, times int) {
	b.t.Helper()
	count := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.looks
	}
	for until, end := count()+times, time.Now().Add(patience); count() < until; {
		if time.Now().After(end) {
			b.t.Fatal("the page looks no more")
		}
		ask[bool](b, `new Promise((done) => setTimeout(done, 50, true))`)
	}
}

func (h *house) page(p *web.Pages, live bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		a := h.now
		a.Now = time.Now()
		if live {
			h.looks++
		}
		switch {
		case live && h.status == http.StatusSeeOther:
			http.Redirect(w, r, templates.OwnerPath, h.status)
		case live && h.status != http.StatusOK:
			http.Error(w, "no", h.status)
		case live:
			a.Minted, a.Notice, a.Mint = nil, templates.Notice{}, nil
			p.Write(w, r, h.status, "", func(w io.Writer) error { return p.Set.Live(w, a) })
		default:
			p.Write(w, r, http.StatusOK, "", func(w io.Writer) error { return p.Set.Access(w, a) })
		}
	}
}

func newHouse(t *testing.T, a templates.Access) *house {
	t.Helper()
	set, err := templates.New(templates.Brand{Product: "Northwind Docs", Support: "Northwind Support"})
	if err != nil {
		t.Fatal(err)
	}
	a.Account, a.Handle, a.Person = "Acme Inc", "4821", "Olivia Owner"
	h := &house{now: a, status: http.StatusOK}
	p := &web.Pages{Set: set.Owners(), Live: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	r := mux.NewRouter()
	p.Mount(r)
	r.HandleFunc(templates.OwnerPath, h.page(p, false))
	r.HandleFunc(templates.OwnerPath+"/live", h.page(p, true))
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	h.url = server.URL + templates.OwnerPath
	return h
}

// tab is one window.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// open opens the page in a window of a telephone's size.
func (h *house) open(from context.Context, t *testing.T, scripts bool) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(from, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t, ctx}
	b.do(nil)
	b.ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 640, DeviceScaleFactor: 1})
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		call(b, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: name},
			Setting: browser.PermissionSettingGranted, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID})
	}
	b.do(chromedp.Navigate(h.url), chromedp.WaitVisible(chromedp.CSS(`[data-line]`)))
	return b
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if len(steps) == 1 && steps[0] == nil {
		steps = nil
	}
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		b.t.Fatalf("%v; the page says: %s", err, page)
	}
}

func ask[T any](b *tab, expression string) T {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// until waits for an expression to hold.
func (b *tab) until(expression string) {
	b.t.Helper()
	ok := ask[bool](b, `new Promise((done) => {
  const end = Date.now() + 60000, look = () => (`+expression+`) ? done(true) : Date.now() > end ? done(false) : setTimeout(look, 50);
  look();
})`)
	if !ok {
		b.t.Fatalf("never came true: %s; the page says: %s", expression, ask[string](b, `document.body.innerText`))
	}
}

// says waits until a part of the page can be seen to say something.
func (b *tab) says(selector, text string) {
	b.t.Helper()
	b.until(`((el) => el?.checkVisibility() && el.innerText.includes("` + text + `"))(document.querySelector("` + selector + `"))`)
}

func pin() templates.Lent {
	return templates.Lent{ID: "c1", Name: "Support PIN", PIN: true, By: "You", MadeAt: time.Now(), RedeemBy: time.Now().Add(15 * time.Minute), Tries: 5, Can: []string{"View documents"}}
}

func dana(sid string) templates.Visit {
	return templates.Visit{SID: sid, Agent: "Dana Reed", Proof: "Northwind SSO", Since: time.Now(), EndsAt: time.Now().Add(30 * time.Minute)}
}

func ways() *templates.MintForm {
	var out templates.MintForm
	for _, name := range []string{"Support PIN", "Two-day PIN", "Phone PIN", "Temporary login"} {
		out.Policies = append(out.Policies, templates.Lending{ID: strings.ToLower(name), Name: name, PIN: true, Digits: 6, OneUse: true,
			Session: time.Hour, Scopes: []templates.Pick{{Name: "documents.read", Label: "View documents", Checked: true}}, Never: []string{name + " never"}})
	}
	return &out
}
