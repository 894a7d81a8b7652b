package e2e

import (
	"errors"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// host is the address of a URL.
func host(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// through returns a DSN that leads through a proxy, and the proxy.
func through(t testing.TB, dsn string) (string, *proxy) {
	t.Helper()
	at := host(t, dsn)
	p := newProxy(t, at)
	return strings.Replace(dsn, at, p.address, 1), p
}

// shared is a session with what it was opened with.
type shared struct {
	credential
	token string
	had   time.Time
}

// lend opens a session for one of many agents.
func (b *broker) lend(i int) shared {
	b.t.Helper()
	c := b.mint(mint{account: acme, policy: "temporary-login"})
	had := time.Now()
	return shared{c, b.session(agent(i%agentCount), c).Access, had}
}

// TestFaultNodesKilled kills a node again and again while owners revoke there and
// at the other one. What was acknowledged, and what is asked for again where
// there was no answer, ends everywhere.
func TestFaultNodesKilled(t *testing.T) {
	t.Parallel()
	first := start(t, storetest.Postgres(t))
	nodes := []*broker{first, first.sibling()}
	var apps []*relying
	for range 3 {
		apps = append(apps, first.relying(host(t, nodes[0].at), host(t, nodes[1].at)))
	}
	var all []shared
	unanswered := 0
	for i := range kills {
		dying, other := nodes[i%2], nodes[(i+1)%2]
		token := other.apiToken(other.settings())
		var some []shared
		for k := range 3 {
			s := other.lend(i + k)
			for _, a := range apps {
				a.comesTo(s.token, letIn, unknown)
			}
			some = append(some, s)
		}
		errs := make([]error, len(some))
		var wait sync.WaitGroup
		for k, s := range some {
			at := dying
			if k == 0 {
				at = other
			}
			wait.Go(func() { errs[k] = at.tryRevoke(s.credential, token) })
		}
		<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) // the kill comes at any moment of theirs
		dying.kill()
		wait.Wait()
		for k, s := range some {
			if errors.Is(errs[k], errNoAnswer) {
				unanswered++
				other.revoke(s.credential)
			}
			other.wantDead("after the owner's call returned", tokens{Access: s.token})
			for _, a := range apps {
				a.comesTo(s.token, isEnded, unknown, letIn)
			}
		}
		all = append(all, some...)
		dying.serve()
	}
	t.Logf("%d kills amid %d revocations, %d of them without an answer", kills, len(all), unanswered)
	for _, b := range nodes {
		for _, s := range all {
			if b.active(s.token) {
				t.Errorf("the ending of %s is lost", s.ID)
			}
		}
	}
	late := first.relying(host(t, nodes[1].at)) // who comes only now is told of everything
	for _, s := range all {
		if time.Since(s.had) < 2*time.Minute { // what has expired is refused for that
			late.comesTo(s.token, isEnded, unknown)
		}
	}
	if record := first.verifiedRecord(acme); strings.Count(record, `"credential.revoked"`) < len(all) {
		t.Errorf("the record tells of fewer than %d revocations", len(all))
	}
}

// TestFaultNetwork breaks what lies between an app, its node and the database, in
// every way, and revokes at another node meanwhile.
func TestFaultNetwork(t *testing.T) {
	t.Parallel()
	well := start(t, storetest.Postgres(t))
	ways := map[string]func(*proxy){
		"cut":         (*proxy).sever,
		"a blackhole": (*proxy).swallow,
		"slow":        func(p *proxy) { p.slow(300 * time.Millisecond) },
	}
	for way, happens := range ways {
		t.Run("the app's network is "+way, func(t *testing.T) {
			t.Parallel()
			b, p := well.seenBy(t), newProxy(t, host(t, well.at))
			b.survives(b.relying(p.address), p, happens)
		})
		t.Run("the node's way to the database is "+way, func(t *testing.T) {
			t.Parallel()
			dsn, p := through(t, well.dsn)
			b := well.seenBy(t)
			b.survives(b.relying(host(t, b.siblingOn(dsn).at)), p, happens)
		})
	}
}

// survives has an app obey while something is broken, and know everything again
// when it is mended.
func (b *broker) survives(app *relying, p *proxy, happens func(*proxy)) {
	b.t.Helper()
	i := rand.IntN(agentCount)
	taken, kept := b.lend(i), b.lend(i)
	app.comesTo(taken.token, letIn, unknown)
	app.comesTo(kept.token, letIn, unknown)
	happens(p)
	b.revoke(taken.credential)
	app.obeys(taken.token, time.Now())
	p.heal()
	app.comesTo(taken.token, isEnded, unknown)
	app.comesTo(kept.token, letIn, unknown)
	again := b.lend(i)
	app.comesTo(again.token, letIn, unknown)
	b.revoke(again.credential)
	app.comesTo(again.token, isEnded, letIn, unknown)
}

// TestFaultDatabaseRestarted: what was committed is there afterwards, nodes and
// apps come back by themselves, and nobody is let in meanwhile who should not be.
func TestFaultDatabaseRestarted(t *testing.T) {
	t.Parallel()
	server, err := storetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	dsn, err := server.Database()
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, dsn)
	app := b.relying(host(t, b.at))
	before, during, kept := b.lend(0), b.lend(1), b.lend(2)
	for _, s := range []shared{before, during, kept} {
		app.comesTo(s.token, letIn, unknown)
	}
	token := b.apiToken(b.settings())
	b.revoke(before.credential)
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	b.eventually("an owner can revoke again", func() bool { return b.tryRevoke(during.credential, token) == nil })
	app.obeys(during.token, time.Now())
	b.awaitReady()
	for _, s := range []shared{before, during} {
		app.comesTo(s.token, isEnded, unknown)
		b.wantDead("after the database was restarted", tokens{Access: s.token})
	}
	app.comesTo(kept.token, letIn, unknown)
	b.wantAlive("a session that nobody ended", tokens{Access: kept.token})
}
