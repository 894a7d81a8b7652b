package e2e

import (
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// names are what the functions of a sample are called in its language.
type names struct{ issuer, lent, introspected, unended, loggedOut string }

// sampleAnswer is what calling one of them gives.
type sampleAnswer struct {
	Value   any    `json:"value"`
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// sample is a running sample of docs/integrate.md.
type sample struct {
	t *testing.T
	*script
	names
}

// startSample runs the one block of a language that the page has, as it stands
// there.
func (b *broker) startSample(t *testing.T, language, audience string) sample {
	t.Helper()
	page, err := os.ReadFile("../docs/integrate.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(page, -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/integrate.md has %d blocks of %s, want 1", len(blocks), language)
	}
	dir := t.TempDir()
	packages, err := filepath.Abs("node/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(packages, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	ending := map[string]string{"js": "mjs", "python": "py"}[language]
	path := filepath.Join(dir, "sample."+ending)
	if err := os.WriteFile(path, blocks[0][1], 0o600); err != nil {
		t.Fatal(err)
	}
	given := map[string]any{"path": path, "env": map[string]string{
		"ISSUER": b.issuer, "AUDIENCE": audience, "CLIENT_ID": b.docs().id, "CLIENT_SECRET": b.docs().secret,
	}}
	if language == "js" {
		return sample{t, runNode(t, "sample.mjs", given), names{"issuerOf", "lent", "introspected", "unended", "loggedOut"}}
	}
	return sample{t, runPython(t, "sample.py", given), names{"issuer_of", "lent", "introspected", "unended", "logged_out"}}
}

func (s sample) call(name string, with any) (said sampleAnswer) {
	s.t.Helper()
	s.ask(s.t, map[string]any{"call": name, "with": with}, &said)
	return said
}

// takes wants an answer that is about this session.
func (s sample) takes(name string, with any, sid string) any {
	s.t.Helper()
	said := s.call(name, with)
	got, _ := said.Value.(map[string]any)
	if said.Message != "" || got["sid"] != sid {
		s.t.Errorf("%s: %+v, want sid %s", name, said, sid)
	}
	return said.Value
}

// refuses wants a refusal with this status.
func (s sample) refuses(what, name string, with any, status int) {
	s.t.Helper()
	if said := s.call(name, with); said.Status != status {
		s.t.Errorf("%s: %s says %+v, want %d", what, name, said, status)
	}
}

// TestTheSamplesObey: the samples of docs/integrate.md, as they stand there, let a
// session in while it lives, refuse it after the owner's click, and take nothing
// for what it is not.
func TestTheSamplesObey(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"js", "python"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			b, c := startCalled(t, storetest.SQLite(t))
			b.configure("\ntokens: ", partner+"\ntokens: ")
			b.serve()
			login := b.mint(mint{account: acme, policy: "temporary-login"})
			w := b.browser()
			v, code := w.signIn(b.docs(), dana, login)
			got := v.exchange(code)
			said := b.access(got)
			v = b.authorize(b.metrics(), "scope", "openid")
			w.open(v.url())
			other := v.exchange(w.callback.Get("code"))
			s := b.startSample(t, language, docsAudience)

			if issuer := s.call(s.issuer, got.Access); issuer.Value != b.issuer {
				t.Errorf("the issuer is %+v", issuer)
			}
			if issuer := s.call(s.issuer, "x.y.z"); issuer.Value != nil || issuer.Message != "" {
				t.Errorf("the issuer of no token is %+v", issuer)
			}
			claims := s.takes(s.lent, got.Access, said.SID)
			s.takes(s.introspected, got.Access, said.SID)
			s.takes(s.unended, claims, said.SID)
			for what, wrong := range map[string]string{
				"an ID token": got.ID, "a refresh token": got.Refresh, "another app's": other.Access, "an API token": b.apiToken(b.docsAPI()),
				"a changed one": got.Access[:len(got.Access)-6] + "AAAAAA", "text": "x", "two dots": "..",
			} {
				s.refuses(what, s.lent, wrong, 401)
			}
			bound := w.boundTokens()
			s.refuses("one that is bound to a key", s.lent, bound.Access, 401)
			// An ID token of that app has everything but the type.
			confused := b.startSample(t, language, b.files().id)
			confused.refuses("an ID token for its audience", confused.lent, bound.ID, 401)
			s.refuses("another app's", s.introspected, other.Access, 401)
			for what, at := range map[string]any{"nothing": nil, "another's list": map[string]any{"idx": 1, "uri": "https://evil.example/status/1"}, "a place that is not there": map[string]any{"idx": 1 << 20, "uri": b.issuer + "/status/1"}} {
				with := maps.Clone(claims.(map[string]any))
				if with["status"] = map[string]any{"status_list": at}; at == nil {
					delete(with, "status")
				}
				s.refuses(what, s.unended, with, 401)
			}

			b.revoke(login)
			s.refuses("after the revocation", s.introspected, got.Access, 401)
			b.awaitStatus(got.Access)
			token := c.next(t, "docs").token
			if sid := s.call(s.loggedOut, token); sid.Value != said.SID {
				t.Errorf("the logout token ends %+v, want %s", sid, said.SID)
			}
			s.refuses("another app's logout token", s.loggedOut, c.next(t, "metrics").token, 400)
			s.refuses("an ID token", s.loggedOut, got.ID, 400)
			s.refuses("a logout token", s.lent, token, 401)
			fresh := b.startSample(t, language, docsAudience) // has no list of before
			fresh.refuses("after the revocation", fresh.unended, fresh.takes(fresh.lent, got.Access, said.SID), 401)

			b.kill()
			deaf := b.startSample(t, language, docsAudience) // has no keys
			deaf.refuses("without the broker", deaf.lent, got.Access, 503)
			deaf.refuses("without the broker", deaf.introspected, got.Access, 503)
			deaf.refuses("without the broker", deaf.unended, claims, 503)
			for _, one := range []sample{s, confused, fresh, deaf} {
				one.end(t)
			}
		})
	}
}

// boundTokens are of the browser's session for the docs API, the access token bound
// to a key.
func (w *browser) boundTokens() (got tokens) {
	b := w.b
	b.t.Helper()
	v := b.authorize(b.files())
	w.open(v.url())
	form := url.Values{"grant_type": {"authorization_code"}, "code": {w.callback.Get("code")}, "redirect_uri": {v.app.callback}, "code_verifier": {v.verifier}, "client_id": {v.app.id}}
	request := b.request(http.MethodPost, b.metadata().Token, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("DPoP", b.proof(http.MethodPost, b.metadata().Token))
	answer := b.send(request)
	if answer.decode(b.t, &got); got.Type != "DPoP" || got.ID == "" {
		b.t.Fatalf("no bound token: %d %s", answer.status, answer.body)
	}
	return got
}

// TestThePythonReceiverFollows: docs/receiver.py hears of each ending, over
// restarts of the broker and of itself.
func TestThePythonReceiverFollows(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		receive := func() *script {
			t.Helper()
			return runInPython(t, []string{"CLIENT_SECRET=" + b.docsAPI().secret}, "../../docs/receiver.py", b.issuer, b.docsAPI().id)
		}
		heard := ""
		// What is not acknowledged comes again, as often as that takes: it and no other.
		hears := func(r *script, c credential, sid string) {
			t.Helper()
			b.revoke(c)
			said := r.line(t)
			for said == heard {
				said = r.line(t)
			}
			if heard = "ended " + sid + "\n"; said != heard {
				t.Errorf("it says %q, want %q", said, heard)
			}
		}
		var logins [3]credential
		var sids [3]string
		for i := range logins {
			logins[i] = b.mint(mint{account: acme, policy: "temporary-login"})
			sids[i] = b.access(b.session(agent(i), logins[i])).SID
		}
		first := receive()
		hears(first, logins[0], sids[0])
		b.kill()
		b.serve()
		hears(first, logins[1], sids[1])
		first.kill()
		var streams []struct {
			ID string `json:"stream_id"`
		}
		list := b.request(http.MethodGet, "/ssf/streams", nil)
		list.Header.Set("Authorization", "Bearer "+b.apiToken(b.docsAPI()))
		b.send(list).decode(t, &streams)
		if len(streams) != 1 {
			t.Fatalf("it has made %d streams", len(streams))
		}
		b.signal(b.docsAPI(), "/ssf/status", map[string]any{"stream_id": streams[0].ID, "status": "paused"})
		second := receive()
		hears(second, logins[2], sids[2])
		second.kill()
	})
}

// askEndings has docs/endings.py say of sessions what an app would do.
const askEndings = `
import os, sys
sys.path.insert(0, "../../docs")
import endings
endings.MAX_STALENESS = 3
known = endings.Endings(sys.argv[1], sys.argv[2], os.environ["CLIENT_SECRET"])
for sid in sys.stdin:
    print(known.state(sid.strip()), flush=True)
`

// TestThePythonFollowerFollows: docs/endings.py hears of each ending over restarts
// of the broker, says so to it, and knows nothing once the broker is gone.
func TestThePythonFollowerFollows(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		follower := runInPython(t, []string{"CLIENT_SECRET=" + b.docsAPI().secret}, "-c", askEndings, b.issuer, b.docsAPI().id)
		defer follower.kill()
		says := func(sid, want string) {
			t.Helper()
			b.eventually("it says that a session is "+want, func() bool {
				if _, err := follower.in.Write([]byte(sid + "\n")); err != nil {
					t.Fatal(err)
				}
				return follower.line(t) == want+"\n"
			})
		}
		for i := range 2 {
			login := b.mint(mint{account: acme, policy: "temporary-login"})
			sid := b.access(b.session(agent(i), login)).SID
			says(sid, "live")
			b.revoke(login)
			says(sid, "ended")
			b.eventually("its receipt is in the record", func() bool { return b.receipts(sid) == 1 })
			b.kill()
			says("another", "unknown")
			says(sid, "ended")
			b.serve()
		}
		says("another", "live")
	})
}
