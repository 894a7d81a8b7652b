package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// nodeSays is the client's first line, nodeAfter its second.
type nodeSays struct {
	Server        string         `json:"server"`
	Claims        claims         `json:"claims"`
	Access        string         `json:"access_token"`
	ID            string         `json:"id_token"`
	Refresh       string         `json:"refresh_token"`
	Userinfo      map[string]any `json:"userinfo"`
	Introspection map[string]any `json:"introspection"`
	SilentSID     string         `json:"silent_sid"`
	Renewed       struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	} `json:"renewed"`
}

type nodeAfter struct {
	Userinfo, Silent, Refresh struct {
		OK      bool   `json:"ok"`
		Error   string `json:"error"`
		Status  int    `json:"status"`
		Message string `json:"message"`
	}
	Introspection map[string]any `json:"introspection"`
}

// TestACertifiedClientSignsIn: a relying app that nobody here wrote needs no
// more than the issuer to sign in, and learns at once that it is over.
func TestACertifiedClientSignsIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		for i, c := range []struct{ auth, client, secret, alg, policy string }{
			{"basic", "docs", b.env["DOCS_SECRET"], "RS256", "support-pin"},
			{"post", "docs", b.env["DOCS_SECRET"], "RS256", "temporary-login"},
			{"none", "files", "", "ES256", "two-day-pin"},
		} {
			minted := b.mint(mint{account: acme, policy: c.policy})
			who := agent(i)
			if i == 0 {
				who = sam
			}
			given := map[string]string{
				"issuer": b.issuer, "client_id": c.client, "auth": c.auth, "id_token_alg": c.alg,
				"redirect_uri": b.nodeCallback(), "scope": everyScope,
				"username": who.username, "password": staffPassword, "reason": "ticket 4711",
			}
			if c.secret != "" {
				given["client_secret"] = c.secret
			}
			if who.totp != "" {
				given["code"] = b.totp(who)
			}
			if minted.PIN != "" {
				given["account"], given["pin"] = minted.Handle, minted.PIN
			} else {
				given["email"], given["temporary_password"] = minted.Email, minted.Password
			}
			node := startNode(t, given)
			first := node.first(t)
			checkNode(t, b, first, c.client, who)
			b.revoke(minted)
			checkNodeAfter(t, node.second(t), c.auth)
		}
	})
}

func checkNode(t *testing.T, b *broker, got nodeSays, client string, who person) {
	t.Helper()
	said := b.access(tokens{Access: got.Access})
	if got.Server != b.issuer || said.Client != client || got.Claims.SID != said.SID || got.Claims.Subject != said.Subject {
		t.Errorf("the client at %s has %+v for the access token %+v", got.Server, got.Claims, said)
	}
	if got.Claims.Act == nil || got.Claims.Act.Subject != "local:"+who.username || got.Claims.Act.Name != who.name {
		t.Errorf("the client's act is %+v, want %s", got.Claims.Act, who.name)
	}
	if got.Userinfo["sub"] != said.Subject {
		t.Errorf("the client's userinfo is %v", got.Userinfo)
	}
	if got.SilentSID != said.SID {
		t.Errorf("prompt=none gives session %q, want %q", got.SilentSID, said.SID)
	}
	if client != "docs" {
		return
	}
	if got.Introspection["active"] != true || got.Introspection["sid"] != said.SID {
		t.Errorf("the client's introspection is %v", got.Introspection)
	}
	if got.Renewed.Access == "" || got.Renewed.Refresh == "" || got.Renewed.Refresh == got.Refresh {
		t.Error("the client's refresh gives no new pair of tokens")
	}
}

func checkNodeAfter(t *testing.T, got nodeAfter, auth string) {
	t.Helper()
	if got.Userinfo.OK || got.Userinfo.Status != 401 {
		t.Errorf("userinfo after the revocation: %+v, want 401", got.Userinfo)
	}
	if got.Silent.OK || got.Silent.Error != "login_required" {
		t.Errorf("prompt=none after the revocation: %+v, want login_required", got.Silent)
	}
	if auth == "none" {
		return
	}
	if len(got.Introspection) != 1 || got.Introspection["active"] != false {
		t.Errorf("introspection after the revocation: %v, want active: false alone", got.Introspection)
	}
	if got.Refresh.OK || got.Refresh.Error != "invalid_grant" {
		t.Errorf("refresh after the revocation: %+v, want invalid_grant", got.Refresh)
	}
}

// node is the running client.
type node struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func startNode(t *testing.T, given map[string]string) *node {
	t.Helper()
	return runNode(t, "signin.mjs", given)
}

func runNode(t *testing.T, script string, given any) *node {
	t.Helper()
	if _, err := os.Stat("node/node_modules/openid-client"); err != nil {
		t.Fatal("the Node client's packages are not installed: run `make setup` (or `npm ci` in e2e/node) and the tests again")
	}
	argument, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{cmd: exec.Command("node", script, string(argument))}
	n.cmd.Dir = "node"
	n.cmd.Stderr = &n.stderr
	n.cmd.SysProcAttr = dieWithParent()
	if n.in, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.out = bufio.NewReader(out)
	if err := n.cmd.Start(); err != nil {
		t.Fatalf("starting node: %v: run `make setup` and the tests again", err)
	}
	return n
}

// first waits for the client to have signed in.
func (n *node) first(t *testing.T) nodeSays {
	t.Helper()
	var said nodeSays
	n.read(t, &said)
	return said
}

// second tells the client that the credential is revoked.
func (n *node) second(t *testing.T) nodeAfter {
	t.Helper()
	if _, err := io.WriteString(n.in, "revoked\n"); err != nil {
		t.Fatal(err)
	}
	var said nodeAfter
	n.read(t, &said)
	if err := n.cmd.Wait(); err != nil {
		t.Errorf("the client ends with %v: %s", err, n.stderr.String())
	}
	return said
}

func (n *node) read(t *testing.T, into any) {
	t.Helper()
	line, err := n.out.ReadString('\n')
	if err != nil {
		_ = n.in.Close()
		_ = n.cmd.Wait()
		t.Fatalf("the client fails: %s", strings.TrimSpace(n.stderr.String()))
	}
	if err := json.Unmarshal([]byte(line), into); err != nil {
		t.Fatalf("the client says %q: %v", line, err)
	}
}
