package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

func wantInvalidGrant(t *testing.T, what string, answer exchange) {
	t.Helper()
	if answer.status != http.StatusBadRequest || answer.field("error") != "invalid_grant" {
		t.Errorf("%s: %d %s, want 400 invalid_grant", what, answer.status, answer.body)
	}
}

func TestACodeUsedTwiceEndsTheSession(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		v, code := b.browser().signIn(b.docs(), dana, login)
		got := v.exchange(code)
		other := b.session(agent(1), login)
		b.wantAlive("before the second use", got)

		wantInvalidGrant(t, "the second use", v.tryExchange(code))
		b.wantDead("after the second use", got)
		b.wantAlive("another session of the same credential", other)
	})
}

// TestACodeRedeemedFiftyTimesAtOnce, on PostgreSQL at two nodes, gives tokens once,
// and then they are worth nothing: somebody has seen the code who must not.
func TestACodeRedeemedFiftyTimesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		nodes := []*broker{b}
		if strings.HasPrefix(dsn, "postgres") {
			nodes = append(nodes, b.sibling())
			nodes[1].metadata() // so that nothing is left to fetch
		}
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		other := b.session(agent(1), login)
		v, code := b.browser().signIn(b.docs(), dana, login)
		var together sync.WaitGroup
		answers := make([]exchange, 50)
		for i := range answers {
			one := v
			one.b = nodes[i%len(nodes)]
			together.Go(func() { answers[i] = one.tryExchange(code) })
		}
		together.Wait()
		var won []tokens
		for _, answer := range answers {
			if answer.status == http.StatusOK {
				var got tokens
				answer.decode(t, &got)
				won = append(won, got)
				continue
			}
			wantInvalidGrant(t, "a use besides", answer)
		}
		if len(won) != 1 {
			t.Fatalf("%d of 50 uses give tokens, want 1", len(won))
		}
		for _, node := range nodes {
			node.wantDead("after fifty uses", won[0])
			node.wantAlive("another session of the same credential", other)
		}
	})
}

func TestACodeIsBoundToItsRequest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		for name, tamper := range map[string]func(*visit){
			"another app":          func(v *visit) { v.app = b.metrics() },
			"a wrong verifier":     func(v *visit) { v.verifier = b.authorize(b.docs()).verifier },
			"another redirect_uri": func(v *visit) { v.app.callback = b.nodeCallback() },
		} {
			v, code := b.browser().signIn(b.docs(), dana, login)
			tamper(&v)
			wantInvalidGrant(t, name, v.tryExchange(code))
		}
		v, code := b.browser().signIn(b.docs(), dana, login)
		answer := b.post(b.metadata().Token, v.app, url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {v.app.callback},
		})
		if answer.status != http.StatusBadRequest || answer.field("access_token") != "" {
			t.Errorf("no code_verifier: %d %s, want 400", answer.status, answer.body)
		}
	})
}

func TestARequestBegunInOneBrowserCannotBeFinishedInAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		pin := b.pin("support-pin")
		first, second := b.browser(), b.browser()
		v := b.authorize(b.docs())
		first.open(v.url())
		first.login(dana)
		// Somebody is made to submit the other's form in a browser of their own.
		second.page = first.page
		second.redeem(pin)
		if second.callback.Get("code") != "" || second.shows("enter") {
			t.Errorf("a form of another browser is accepted: %v %s", second.callback, second.page.text())
		}
		first.redeem(pin)
		if v.exchange(first.enter()).Access == "" {
			t.Error("the browser that began cannot finish")
		}
	})
}

func TestRefreshRotatesAndEndsWithReuse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		got := b.session(dana, b.pin("support-pin"))
		first := b.access(got)
		if got.Refresh == "" {
			t.Fatal("an app with the refresh_token grant gets none")
		}
		renew := func(token string) tokens {
			t.Helper()
			answer := b.refresh(b.docs(), token)
			if answer.status != http.StatusOK {
				t.Fatalf("refresh: %d %s", answer.status, answer.body)
			}
			var next tokens
			answer.decode(t, &next)
			return next
		}
		second := renew(got.Refresh)
		said := b.access(second)
		if said.SID != first.SID || said.Subject != first.Subject || said.lent() != first.lent() || said.ID == first.ID {
			t.Errorf("the renewed token says %+v, the first %+v", said, first)
		}
		if second.Refresh == "" || second.Refresh == got.Refresh {
			t.Fatal("the refresh token was not rotated")
		}
		wantInvalidGrant(t, "another app's refresh", b.refresh(b.metrics(), second.Refresh))
		third := renew(second.Refresh)
		b.wantAlive("after two renewals", third)
		// The first is two generations old: whoever has it is not the app.
		wantInvalidGrant(t, "an old refresh token", b.refresh(b.docs(), got.Refresh))
		b.wantDead("after the reuse of a refresh token", third)
	})
}

func TestRevocationEndpoint(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		got := b.session(dana, b.pin("support-pin"))
		revoke := func(client app, token string) exchange {
			return b.post(b.metadata().Revocation, client, url.Values{"token": {token}})
		}
		if answer := revoke(b.docs(), "unknown"); answer.status != http.StatusOK {
			t.Errorf("revoking an unknown token: %d %s, want 200", answer.status, answer.body)
		}
		revoke(b.metrics(), got.Refresh)
		b.wantAlive("after another app's revocation", got)
		if answer := revoke(b.docs(), got.Refresh); answer.status != http.StatusOK {
			t.Errorf("revoking the refresh token: %d %s, want 200", answer.status, answer.body)
		}
		wantInvalidGrant(t, "a revoked refresh token", b.refresh(b.docs(), got.Refresh))
	})
}
