package signintest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Answer is one exchange.
type Answer struct {
	Method, URL string
	Status      int
	Header      http.Header
	Body        string
}

// Text is the page without its markup.
func (a Answer) Text() string { return text(a.Body) }

// Says reports whether the page has these words.
func (a Answer) Says(words string) bool { return strings.Contains(a.Text(), words) }

// Tape keeps what browsers were answered.
type Tape struct {
	mu  sync.Mutex
	all []Answer
}

// All are the answers so far.
func (t *Tape) All() []Answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// Browser keeps cookies, follows redirects and fills in forms. A form that its
// page's policy does not let go where it is led is an error of the test, as it
// would be a dead button in Chromium.
type Browser struct {
	T        testing.TB
	Home     string     // origin of the broker
	Sites    []string   // further origins that it follows to; elsewhere it stops
	Page     Answer     // the last one
	Callback url.Values // what it was carrying when it stopped elsewhere; nil otherwise
	Tape     *Tape

	client *http.Client
	jar    http.CookieJar
}

// NewBrowser is a browser without any cookie.
func NewBrowser(t testing.TB, home string, tape *Tape, sites ...string) *Browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Browser{T: t, Home: home, Sites: append([]string{home}, sites...), Tape: tape, jar: jar, client: &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Send makes one request and follows nowhere. headers are names and values.
func (b *Browser) Send(method, target string, form url.Values, headers ...string) Answer {
	b.T.Helper()
	r, err := http.NewRequestWithContext(b.T.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.T.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := b.client.Do(r)
	if err != nil {
		b.T.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		b.T.Fatal(err)
	}
	out := Answer{Method: method, URL: target, Status: got.StatusCode, Header: got.Header, Body: string(body)}
	b.Tape.mu.Lock()
	defer b.Tape.mu.Unlock()
	b.Tape.all = append(b.Tape.all, out)
	return out
}

// Get opens an address of the broker's, or any other.
func (b *Browser) Get(target string) {
	b.T.Helper()
	b.Visit(http.MethodGet, b.at(target), nil)
}

// Visit makes a request and follows where it leads.
func (b *Browser) Visit(method, target string, form url.Values, headers ...string) {
	b.T.Helper()
	b.follow(method, target, form, headers, nil)
}

// maxHops bounds redirects: more of them are a circle.
const maxHops = 10

// follow goes on until a page or an app's callback. allowed are the origins
// that the policy of the form lets it go to; nil: it is no form's.
func (b *Browser) follow(method, target string, form url.Values, headers, allowed []string) {
	b.T.Helper()
	b.Callback = nil
	for range maxHops {
		if allowed != nil && !slices.ContainsFunc(allowed, func(origin string) bool { return inside(target, origin) }) {
			b.T.Errorf("the form may lead to %v; a browser blocks %s", allowed, target)
		}
		if !slices.ContainsFunc(b.Sites, func(site string) bool { return inside(target, site) }) {
			u, err := url.Parse(target)
			if err != nil {
				b.T.Fatal(err)
			}
			b.Callback = u.Query()
			return
		}
		b.Page = b.Send(method, target, form, headers...)
		if b.Page.Status < 300 || b.Page.Status > 399 {
			return
		}
		if inside(target, b.Home) && b.Page.Status != http.StatusSeeOther {
			b.T.Errorf("%s %s redirects with %d, want 303", method, target, b.Page.Status)
		}
		base, _ := url.Parse(target)
		next, err := base.Parse(b.Page.Header.Get("Location"))
		if err != nil {
			b.T.Fatal(err)
		}
		method, target, form, headers = http.MethodGet, next.String(), nil, nil
	}
	b.T.Fatalf("redirected in a circle, the last time to %s", target)
}

// inside reports whether an address lies at an origin.
func inside(target, origin string) bool {
	return target == origin || strings.HasPrefix(target, origin+"/")
}

func (b *Browser) at(target string) string {
	if strings.HasPrefix(target, "/") {
		return b.Home + target
	}
	return target
}

// Cookies are the names and values of the broker's cookies that it holds.
func (b *Browser) Cookies() map[string]string {
	u, _ := url.Parse(b.Home)
	out := map[string]string{}
	for _, c := range b.jar.Cookies(u) {
		out[strings.TrimPrefix(c.Name, "valetkey-")] = c.Value
	}
	return out
}

// SetCookie puts a value into a cookie of the broker's; an empty one takes it
// out.
func (b *Browser) SetCookie(name, value string) {
	u, _ := url.Parse(b.Home)
	c := &http.Cookie{Name: "valetkey-" + name, Value: value, Path: "/"}
	if value == "" {
		c.MaxAge = -1
	}
	b.jar.SetCookies(u, []*http.Cookie{c})
}

// Tab is another tab of the same browser.
func (b *Browser) Tab() *Browser {
	tab := *b
	tab.Page, tab.Callback = Answer{}, nil
	return &tab
}
