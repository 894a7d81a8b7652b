package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestAnAcknowledgedRevocationSurvivesKill9: the process gets no chance to
// write anything after its 204, and the next one must know all the same.
func TestAnAcknowledgedRevocationSurvivesKill9(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		pin := b.mint(mint{account: acme, policy: "support-pin"})
		kept := b.mint(mint{account: globex, policy: "temporary-login"})
		got, alive := b.session(dana, login), b.session(agent(1), kept)
		b.apiToken(b.settings())

		b.revoke(pin)
		b.revoke(login)
		b.kill()
		b.serve()

		b.wantDead("after kill -9", got)
		b.wantAlive("a session nobody ended, after kill -9", alive)
		if b.attempt(agent(2), login) || b.attempt(agent(2), pin) {
			t.Error("a revoked credential opens a session after kill -9")
		}
		if !b.attempt(agent(3), kept) {
			t.Error("a live credential is refused after kill -9")
		}
		record := b.api(b.settings(), http.MethodGet, acme.path()+"/record", nil)
		if record.status != http.StatusOK || strings.Count(string(record.body), login.ID) < 2 {
			t.Errorf("the record after kill -9 does not tell of minting and revoking %s: %d %s", login.ID, record.status, record.body)
		}
		b.stop()
	})
}

// TestASessionEndedByReuseStaysEndedOverKill9 is the same for an end that the
// owner did not ask for.
func TestASessionEndedByReuseStaysEndedOverKill9(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		v, code := b.browser().signIn(b.docs(), dana, b.pin("support-pin"))
		got := v.exchange(code)
		wantInvalidGrant(t, "the second use", v.tryExchange(code))
		b.kill()
		b.serve()
		b.wantDead("after kill -9", got)
		wantInvalidGrant(t, "the third use", v.tryExchange(code))
	})
}

// TestWhatACrowdWasToldSurvivesKill9: what is asked for at once shares a commit on
// SQLite, and the process dies amid it. Whoever had an answer had it for good.
func TestWhatACrowdWasToldSurvivesKill9(t *testing.T) {
	t.Parallel()
	const crowd, dies = 32, 8 // after that many answers
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		for range 3 {
			var all []credential
			for i := range crowd {
				all = append(all, b.mint(mint{account: []account{acme, globex}[i%2], policy: "temporary-login"}))
			}
			token := b.apiToken(b.settings())
			told := make(chan credential, crowd)
			var wait sync.WaitGroup
			for _, c := range all {
				wait.Go(func() {
					if b.tryRevoke(c, token) == nil {
						told <- c
					}
				})
			}
			answered := []credential{}
			for range dies {
				answered = append(answered, <-told)
			}
			b.kill()
			wait.Wait()
			close(told)
			for c := range told {
				answered = append(answered, c)
			}
			b.serve()
			for _, c := range answered {
				if got := b.api(b.settings(), http.MethodGet, c.path(), nil); !strings.Contains(string(got.body), `"state":"revoked"`) {
					t.Errorf("a revocation that was answered is lost: %d %s", got.status, got.body)
				}
			}
			for _, a := range []account{acme, globex} {
				b.verifiedRecord(a)
			}
		}
		b.stop()
	})
}
