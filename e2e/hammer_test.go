package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// hammerers are how many send at a time.
const hammerers = 4

// TestHammer sends requests that are wrong in one way or several to every route
// there is: whatever comes, the answer is the sender's fault, nothing panics, and
// who comes afterwards is served. The long form is `make hammer`.
func TestHammer(t *testing.T) {
	t.Parallel()
	if !hammerBoth {
		hammerOn(t, storetest.SQLite(t))
		return
	}
	storetest.Each(t, hammerOn)
}

func hammerOn(t *testing.T, dsn string) {
	t.Helper()
	b := prepare(t, dsn)
	b.configure(ownersElsewhere, ownersHere())
	b.begin()
	a := b.anvil(t)
	// Who comes afterwards has signed in before: nobody can from an address that has
	// failed so often.
	w := b.browser()
	w.open(b.authorize(b.docs()).url())
	w.login(agent(agentCount - 1))
	var together sync.WaitGroup
	for n := range uint64(hammerers) {
		together.Go(func() { a.hammer(rand.New(rand.NewPCG(hammerSeed, n)), blows/hammerers) })
	}
	together.Wait()
	a.check(t)
	clear(b.tokens) // which have expired meanwhile
	v := b.authorize(b.docs())
	w.open(v.url())
	w.redeem(b.mint(mint{account: globex, policy: "temporary-login"}))
	b.wantAlive("afterwards", v.exchange(w.enter()))
	b.stop()
}

// ownersHere sign in with a password: nobody else is asked, and so nobody else can
// be to blame. This one's account is no other's.
func ownersHere() string {
	local := fmt.Sprintf(`    local:
      - {username: olivia, name: Olivia, claims: {role: owner, account_id: acct-hammer, account_name: Hammer, account_number: "9999"}, password_hash: "%s"}
`, staffHash())
	head, rest, _ := strings.Cut(ownersElsewhere, "    oidc:\n")
	return head + local + rest[strings.Index(rest, "    allow:"):]
}

// anvil is what is hammered on, and what came of it.
type anvil struct {
	b       *broker
	address string
	targets []target
	goods   []goods

	mu     sync.Mutex
	seen   map[string]map[int]int // answers by route and status
	failed []string
}

func (a *anvil) hammer(r *rand.Rand, n int) {
	var c *wire
	for i := range n {
		if c == nil {
			if c = a.dial(); c == nil {
				return
			}
		}
		at := a.targets[r.IntN(len(a.targets))]
		blow := at.blow(r, a.goods[r.IntN(len(a.goods))])
		status, body, keep := c.send(blow)
		a.mu.Lock()
		if a.seen[at.route] == nil {
			a.seen[at.route] = map[int]int{}
		}
		a.seen[at.route][status]++
		// 501 is what the draft of status lists wants for ?time=.
		if status == 0 && !blow.broken || status >= 500 && !(status == http.StatusNotImplemented && strings.HasPrefix(at.path, "/status/")) {
			a.failed = append(a.failed, fmt.Sprintf("seed %d, request %d: %q\nanswered %d %s", hammerSeed, i, cutOff(blow.text), status, body))
		}
		stop := len(a.failed) >= 5
		a.mu.Unlock()
		if !keep {
			_ = c.conn.Close()
			c = nil
		}
		if stop {
			return
		}
	}
	if c != nil {
		_ = c.conn.Close()
	}
}

func cutOff(text []byte) []byte { return text[:min(len(text), 2500)] }

// check wants no answer that says that it is the broker's fault, and that the
// blows were no blows into the air.
func (a *anvil) check(t *testing.T) {
	t.Helper()
	for _, one := range a.failed {
		t.Error(one)
	}
	good, statuses := 0, map[int]int{}
	for _, at := range a.targets {
		if len(a.seen[at.route]) == 0 {
			t.Errorf("%s was never asked", at.route)
		}
	}
	for _, by := range a.seen {
		for status, n := range by {
			statuses[status] += n
			if status >= 200 && status < 400 {
				good += n
			}
		}
	}
	if good < blows/100 || statuses[http.StatusBadRequest] < blows/50 {
		t.Errorf("too few requests come far enough to be judged: %v", statuses)
	}
	for _, line := range strings.Split(a.b.logs.String(), "\n") {
		if strings.Contains(line, "panic") || strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("the log says %s", line)
		}
	}
	t.Logf("seed %d: %d routes, answers %v", hammerSeed, len(a.targets), statuses)
}

// wire is a connection to the broker that sends bytes as they are.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

// dial returns nothing where nobody is left to hammer on.
func (a *anvil) dial() *wire {
	conn, err := net.DialTimeout("tcp", a.address, patience)
	if err != nil {
		a.b.t.Errorf("seed %d: the program does not take a connection: %v", hammerSeed, err)
		return nil
	}
	return &wire{conn, bufio.NewReader(conn)}
}

// send sends a request and reads the answer; 0 where there is none. keep reports
// whether the connection is good for another.
func (c *wire) send(x blow) (status int, body string, keep bool) {
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	_, err := c.conn.Write(x.text)
	if x.broken {
		_ = c.conn.(*net.TCPConn).CloseWrite() // it may wait for more
	}
	response, readErr := http.ReadResponse(c.in, &http.Request{Method: x.method})
	for readErr == nil && response.StatusCode == http.StatusContinue {
		response, readErr = http.ReadResponse(c.in, &http.Request{Method: x.method})
	}
	if errors.Is(readErr, syscall.ECONNRESET) {
		return http.StatusBadRequest, "", false // it was refused before all of it was sent
	}
	if readErr != nil {
		return 0, fmt.Sprint(err, readErr), false
	}
	defer func() { _ = response.Body.Close() }()
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return response.StatusCode, "", false // it has no end
	}
	var text bytes.Buffer
	if _, err = io.Copy(&text, io.LimitReader(response.Body, 1<<20)); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return 0, err.Error(), false
	}
	return response.StatusCode, string(cutOff(text.Bytes())), err == nil && !x.broken && !response.Close
}

// routes is the table that cmd/valetkey's tests keep true.
func routes(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
