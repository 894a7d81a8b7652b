package guardtest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/guard/guardtest"
)

// caller speaks with a broker as any client would.
type caller struct {
	*testing.T
	b     *guardtest.Broker
	token string
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	c := &caller{T: t, b: guardtest.New(t)}
	var got struct {
		Token string `json:"access_token"`
	}
	if status := c.form("/token", url.Values{"grant_type": {"client_credentials"}}, guardtest.ClientSecret, &got); status != 200 || got.Token == "" {
		t.Fatalf("no token: %d", status)
	}
	c.token = got.Token
	return c
}

func (c *caller) form(path string, values url.Values, secret string, out any) int {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.b.URL+path, strings.NewReader(values.Encode()))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(guardtest.ClientID), url.QueryEscape(secret))
	return c.do(r, out)
}

func (c *caller) do(r *http.Request, out any) int {
	c.Helper()
	response, err := c.b.Client().Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			c.Fatalf("%s: %v", body, err)
		}
	}
	return response.StatusCode
}

func (c *caller) act(body string, out any) int {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.b.URL+"/api/v1/actions", strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	return c.do(r, out)
}

func TestActionsAreJudgedAsByTheRealBroker(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.b.Mint(guardtest.Session{ID: "s1", Scopes: []string{"a.b"}})
	c.b.Mint(guardtest.Session{ID: "s2", Scopes: []string{"a.b"}, Audience: "https://other.example"})
	c.b.Mint(guardtest.Session{ID: "s3", Scopes: []string{"a.b"}})
	c.b.End("s3", "idle")
	for _, step := range []struct {
		id, sid, scope, outcome string
		want                    int
	}{
		{"1", "s1", "a.b", "started", 201}, {"1", "s1", "a.b", "started", 200}, {"1", "s1", "a.b", "refused", 422}, {"2", "s1", "a.c", "started", 403},
		{"3", "s1", "a.c", "refused", 201}, {"4", "s2", "a.b", "started", 403}, {"5", "none", "a.b", "started", 403}, {"6", "s3", "a.b", "started", 409},
		{"7", "s3", "a.b", "refused", 201}, {"", "s1", "a.b", "started", 422}, {"8", "s1", "a.b", "done", 422},
	} {
		body := fmt.Sprintf(`{"id":%q,"sid":%q,"action":"x","scope":%q,"outcome":%q}`, step.id, step.sid, step.scope, step.outcome)
		if got := c.act(body, nil); got != step.want {
			t.Errorf("%s: %d, want %d", body, got, step.want)
		}
	}
	var batch struct{ Items []struct{ Status int } }
	status := c.act(`{"actions":[{"id":"a","sid":"s1","action":"x","scope":"a.b","outcome":"started"},{"id":"b","sid":"s3","action":"x","scope":"a.b","outcome":"started"}]}`, &batch)
	if status != 200 || len(batch.Items) != 2 || batch.Items[0].Status != 201 || batch.Items[1].Status != 409 {
		t.Errorf("%d %+v", status, batch)
	}
	if n := len(c.b.Actions()); n != 4 {
		t.Errorf("%d actions in the record", n)
	}
}

func TestIntrospectionAndRevocation(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	active := func(token string) bool {
		var said struct{ Active bool }
		if status := c.form("/introspect", url.Values{"token": {token}}, guardtest.ClientSecret, &said); status != 200 {
			t.Fatal(status)
		}
		return said.Active
	}
	token := c.b.Mint(guardtest.Session{ID: "s1"})
	if !active(token) || active(token+"A") || active(c.b.Mint(guardtest.Session{Audience: "other"})) {
		t.Fatal("what is active is not, or the other way round")
	}
	if status := c.form("/introspect", url.Values{"token": {token}}, "wrong", nil); status != 401 {
		t.Fatal(status)
	}
	if status := c.form("/revoke", url.Values{"token": {token}}, guardtest.ClientSecret, nil); status != 200 || active(token) {
		t.Fatal(status, "and the session goes on")
	}
}

func TestFeed(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.b.End("s1", "revoked")
	c.b.End("s2", "idle")
	first := c.lines("", 4)
	if !strings.HasPrefix(first[0], "event: ended id: ") || !strings.Contains(first[1], `"sid":"s2"`) || !strings.HasPrefix(first[2], `event: fresh data: {"seq":2,`) {
		t.Fatal(first)
	}
	epoch, _, _ := strings.Cut(c.b.Position(), "-")
	if got := c.lines(epoch+"-1", 2); !strings.Contains(got[0], `"sid":"s2"`) || !strings.HasPrefix(got[1], "event: fresh") {
		t.Fatal(got)
	}
	for _, cursor := range []string{"other-1", epoch + "-99", "x", epoch + "-x"} {
		if got := c.lines(cursor, 2); got[0] != "event: reset data: {}" || !strings.Contains(got[1], `"sid":"s1"`) {
			t.Fatal(cursor, got)
		}
	}
}

// lines reads that many events of a stream; one that does not come for a while is
// left out.
func (c *caller) lines(cursor string, n int) (out []string) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodGet, c.b.URL+"/api/v1/endings", nil)
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Last-Event-ID", cursor)
	response, err := c.b.Client().Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	var event []string
	for s := bufio.NewScanner(response.Body); len(out) < n && s.Scan(); {
		switch line := s.Text(); {
		case strings.HasPrefix(line, ":"):
		case line != "":
			event = append(event, line)
		case len(event) > 0:
			out, event = append(out, strings.Join(event, " ")), nil
		}
	}
	return out
}
