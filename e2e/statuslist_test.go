package e2e

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// payload reads claims beyond those that every test goes by.
func (b *broker) payload(token string, algorithm jose.SignatureAlgorithm, typ string, into any) {
	b.t.Helper()
	b.verify(token, algorithm, typ)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := parsed.UnsafeClaimsWithoutVerification(into); err != nil { // verified above
		b.t.Fatal(err)
	}
}

type listed struct {
	Status *struct {
		List struct {
			Index int64  `json:"idx"`
			URI   string `json:"uri"`
		} `json:"status_list"`
	} `json:"status"`
}

// status is what the list says of a token: 0 valid, 1 invalid. An app in any
// language does it so.
func (b *broker) status(access string) byte {
	b.t.Helper()
	var token listed
	b.payload(access, jose.ES256, "at+jwt", &token)
	if token.Status == nil || token.Status.List.Index < 1 {
		b.t.Fatalf("the access token has no place in a list: %+v", token.Status)
	}
	at := token.Status.List
	answer := b.get(at.URI, "")
	if answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/statuslist+jwt" || !strings.Contains(answer.header.Get("Cache-Control"), "public") {
		b.t.Fatalf("%s: %d %v %s", at.URI, answer.status, answer.header, answer.body)
	}
	var list struct {
		Subject string `json:"sub"`
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
		TTL     int64  `json:"ttl"`
		List    struct {
			Bits int    `json:"bits"`
			List string `json:"lst"`
		} `json:"status_list"`
	}
	b.payload(string(answer.body), jose.ES256, "statuslist+jwt", &list)
	if now := time.Now().Unix(); list.Subject != at.URI || list.Expires-list.Issued != 60 || list.TTL != 5 || list.List.Bits != 1 || list.Expires <= now || list.Issued > now {
		b.t.Errorf("the list says %+v", list)
	}
	raw, err := base64.RawURLEncoding.DecodeString(list.List.List)
	if err != nil {
		b.t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		b.t.Fatal(err)
	}
	bits, err := io.ReadAll(z)
	if err != nil || at.Index/8 >= int64(len(bits)) {
		b.t.Fatalf("%d bytes of bits, %v", len(bits), err)
	}
	return bits[at.Index/8] >> (at.Index % 8) & 1
}

// awaitStatus waits for the list to say that the token's session has ended.
func (b *broker) awaitStatus(access string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for b.status(access) == 0 {
		if time.Now().After(deadline) {
			b.t.Fatalf("the list still says that the token is valid")
		}
		<-time.After(20 * time.Millisecond)
	}
}

// TestAnAppInAnyLanguageLearnsOfEndings from the status list, at each node, and
// still after the node was killed.
func TestAnAppInAnyLanguageLearnsOfEndings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		one, two := b.mint(mint{account: acme, policy: "temporary-login"}), b.mint(mint{account: globex, policy: "temporary-login"})
		ends, lives := b.session(dana, one), b.session(agent(1), two)
		for what, got := range map[string]tokens{"one": ends, "another": lives} {
			if b.status(got.Access) != 0 {
				t.Errorf("the list calls %s live session ended", what)
			}
			var id listed
			if b.payload(got.ID, jose.RS256, "", &id); id.Status != nil {
				t.Errorf("an ID token has a place in the list: %+v", id.Status)
			}
		}
		b.revoke(one)
		b.awaitStatus(ends.Access)
		nodes := []*broker{b}
		if strings.HasPrefix(dsn, "postgres") {
			nodes = append(nodes, b.sibling())
		}
		b.kill()
		b.serve()
		for _, node := range nodes {
			node.awaitStatus(ends.Access)
			if node.status(lives.Access) != 0 {
				t.Error("the list calls a live session ended")
			}
		}
		if answer := b.get(b.issuer+"/status/9", ""); answer.status != http.StatusNotFound {
			t.Errorf("a list that cannot be: %d", answer.status)
		}
	})
}

// TestTheDocumentedExampleObeysTheStatusList: what docs/signals.md shows runs.
func TestTheDocumentedExampleObeysTheStatusList(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.SQLite(t))
	login := b.mint(mint{account: acme, policy: "temporary-login"})
	got := b.session(dana, login)
	ask := func(audience, token string) string {
		t.Helper()
		out, _ := exec.Command("node", "../docs/statuslist.mjs", b.issuer, audience, token).CombinedOutput() // its words tell how it ended
		return string(out)
	}
	if said := ask(docsAudience, got.Access); said != "valid\n" {
		t.Errorf("of a live session it says %s", said)
	}
	for what, said := range map[string]string{"another audience": ask(metricsAudience, got.Access), "an ID token": ask(docsAudience, got.ID)} {
		if !strings.Contains(said, "Error: not ") {
			t.Errorf("of %s it says %s", what, said)
		}
	}
	b.revoke(login)
	b.awaitStatus(got.Access)
	if said := ask(docsAudience, got.Access); said != "ended\n" {
		t.Errorf("of an ended session it says %s", said)
	}
}
