package guard_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
	"github.com/valetkey/valetkey/internal/testkit"
)

// TestAGuardWhoseClientMustHaveBoundTokens cannot work, and says what to do.
func TestAGuardWhoseClientMustHaveBoundTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := guardtest.New(t, guardtest.InMemory())
		broker.RequireDPoP(true)
		w := newWorld(t, broker)
		w.settle()
		if !has(w.log.String(), "the guard's client cannot have require.dpop", "a client of its own without it", "invalid_dpop_proof") {
			t.Errorf("the log: %s", w.log)
		}
		w.want(w.request("GET", document, broker.Mint(reader("s1"))), 503, "record_failed")
	})
}

// refuses answers one path as it is told to, and leaves the others to the broker.
type refuses struct {
	next         http.RoundTripper
	path, answer string
}

func (x refuses) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != x.path {
		return x.next.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(x.answer)), Request: r}, nil
}

// plain is a log that escapes nothing itself.
type plain struct{ to io.Writer }

func (p plain) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	_, err := io.WriteString(p.to, text+"\n")
	return err
}

func (plain) Enabled(context.Context, slog.Level) bool { return true }
func (p plain) WithAttrs([]slog.Attr) slog.Handler     { return p }
func (p plain) WithGroup(string) slog.Handler          { return p }

// hostile is what a broker could say to write a line of the log itself, or too much.
var hostile = `because\nlevel=ERROR \u001b[31mforged\u202e ` + strings.Repeat("x", 5000)

// TestWhatTheBrokerSaysOfARefusal reaches whoever runs the app, whichever endpoint
// refuses, and cannot write into the log what it likes.
func TestWhatTheBrokerSaysOfARefusal(t *testing.T) {
	t.Parallel()
	oauth, problem := `{"error":"odd","error_description":"`+hostile+`"}`, `{"title":"odd","detail":"`+hostile+`","status":403}`
	for path, c := range map[string]struct{ answer, line string }{
		"/token":              {oauth, "stream of endings ended"},
		"/introspect":         {oauth, "the broker cannot be asked"},
		"/api/v1/endings":     {problem, "stream of endings ended"},
		"/api/v1/endings/ack": {problem, "receipts are refused"},
		"/api/v1/actions":     {problem, "an action was not recorded"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				broker, log := guardtest.New(t, guardtest.InMemory()), &testkit.Log{}
				w := newWorld(t, broker, func(config *guard.Config) {
					config.Logger = slog.New(plain{log})
					config.HTTPClient = &http.Client{Transport: refuses{broker.Client().Transport, path, c.answer}}
				})
				w.settle()
				broker.StopFresh()
				broker.End("s2", "revoked")
				w.request("GET", document, broker.Mint(reader("s1")))
				time.Sleep(time.Minute)
				w.request("GET", document, broker.Mint(reader("s1")))
				toldWhy(t, log, c.line)
			})
		})
	}
}

// TestWhatTheBrokerSaysToALogin is the same for what a login asks for.
func TestWhatTheBrokerSaysToALogin(t *testing.T) {
	for path, line := range map[string]string{
		"/par": "a support sign-in could not go on", "/token": "a support sign-in could not go on", "/revoke": "a support session could not be ended",
		"/authorize": "the broker refuses a support sign-in",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &testkit.Log{}
				s := newSite(t, func(l *guard.LoginConfig) { l.PAR = path == "/par" }, func(_ *guardtest.Broker, c *guard.Config) {
					c.Logger = slog.New(plain{log})
				})
				b := s.browser()
				if path == "/revoke" {
					b = s.enter()
				}
				s.refuse.Store(&refuses{path: path, answer: `{"error":"odd","error_description":"` + hostile + `"}`})
				switch path {
				case "/revoke":
					b.do("POST", "/support/end").want(t, http.StatusServiceUnavailable)
				case "/authorize":
					to, _ := url.Parse(b.callback("/support"))
					query := to.Query()
					query.Del("code")
					query.Set("error", "odd")
					var why string
					_ = json.Unmarshal([]byte(`"`+hostile+`"`), &why)
					query.Set("error_description", why)
					b.do("GET", "/support/callback?"+query.Encode()).want(t, http.StatusBadRequest)
				default:
					if p := b.open("/support"); p.status < 400 || strings.Contains(p.body, "because") {
						t.Errorf("%d %s", p.status, p.body)
					}
				}
				toldWhy(t, log, line)
			})
		})
	}
}

// toldWhy checks that a log has a line with what the broker said, and none that it
// wrote.
func toldWhy(t *testing.T, log *testkit.Log, line string) {
	t.Helper()
	told := false
	for _, text := range strings.Split(log.String(), "\n") {
		if strings.Contains(text, line) && strings.Contains(text, "because") {
			told = true
		}
		if len(text) > 2000 || strings.HasPrefix(text, "level=") || strings.ContainsAny(text, "\x1b\u202e") {
			t.Errorf("a line of %d bytes that the broker has written: %.300q", len(text), text)
		}
	}
	if !told {
		t.Errorf("it does not say why: %.3000s", log)
	}
}
