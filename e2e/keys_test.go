package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// TestKeysAreExchangedOnTwoNodes: an operator takes all keys away while both
// serve. Neither takes anything of before any more, both sign with the same new
// keys, apps are told, and sessions go on.
func TestKeysAreExchangedOnTwoNodes(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.Postgres(t))
	second := b.sibling()
	b.eventually("each kind of key has one that follows", func() bool {
		return strings.Count(b.must("keys", "list", "--config", b.config()), " next ") >= 2
	})
	b.eventually("both publish the same keys", func() bool { return same(b.keyIDs(), second.keyIDs()) })
	got := b.session(dana, b.pin("support-pin"))
	before := b.keyIDs()
	f := second.follow(b.docsAPI(), "")
	f.fresh("keys")

	if said := b.must("keys", "rotate", "--config", b.config()); !strings.Contains(said, "it has to be published for 10m before") {
		t.Errorf("a rotation right after the first start says %s", said)
	}
	b.wantAlive("after a rotation", got)

	if said := b.must("keys", "rotate", "--compromised", "--config", b.config()); !strings.Contains(said, "keys are gone from /jwks") {
		t.Errorf("the command says %s", said)
	}
	for _, node := range []*broker{b, second} {
		node.eventually("none of the keys from before is published", func() bool {
			for id := range node.keyIDs() {
				if before[id] {
					return false
				}
			}
			return true
		})
		if answer := node.userinfo(got.Access); answer.status != http.StatusUnauthorized {
			t.Errorf("userinfo with a token of a key that is gone: %d %s", answer.status, answer.body)
		}
		if node.active(got.Access) {
			t.Error("introspection says that a token of a key that is gone is active")
		}
		node.forgetTokens()
	}
	f.next("keys", "fresh")
	var renewed tokens
	b.refresh(b.docs(), got.Refresh).decode(t, &renewed)
	second.wantAlive("a token of the new key, at the other node", renewed)
	if b.access(renewed).SID == "" || !same(b.keyIDs(), second.keyIDs()) {
		t.Error("the nodes publish other keys")
	}
}

func same(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for id := range a {
		if !b[id] {
			return false
		}
	}
	return true
}
