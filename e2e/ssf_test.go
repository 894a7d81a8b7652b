package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/store/storetest"
)

// signals is what a receiver finds of the transmitter.
type signals struct {
	Issuer        string `json:"issuer"`
	Keys          string `json:"jwks_uri"`
	Configuration string `json:"configuration_endpoint"`
	Verification  string `json:"verification_endpoint"`
}

// signal sends JSON as client.
func (b *broker) signal(client app, target string, body any) exchange {
	b.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	request := b.request(http.MethodPost, target, bytes.NewReader(raw))
	request.Header.Set("Authorization", "Bearer "+b.apiToken(client))
	return b.send(request)
}

// securityEvent is the part of an event that says which session has ended.
type securityEvent struct {
	Audience string `json:"aud"`
	Subject  struct {
		Session struct {
			ID string `json:"id"`
		} `json:"session"`
		User struct {
			Issuer string `json:"iss"`
			Sub    string `json:"sub"`
		} `json:"user"`
	} `json:"sub_id"`
	Events map[string]map[string]any `json:"events"`
}

// awaitSignals polls until so many events are there, and acknowledges nothing.
func (b *broker) awaitSignals(client app, endpoint string, n int) map[string]securityEvent {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		answer := b.signal(client, endpoint, map[string]any{})
		var got struct{ Sets map[string]string }
		if answer.decode(b.t, &got); answer.status != http.StatusOK {
			b.t.Fatalf("polling: %d %s", answer.status, answer.body)
		}
		if len(got.Sets) >= n {
			out := map[string]securityEvent{}
			for jti, set := range got.Sets {
				var e securityEvent
				b.payload(set, jose.RS256, "secevent+jwt", &e)
				out[jti] = e
			}
			return out
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d events came, want %d", len(got.Sets), n)
		}
	}
}

// TestAReceiverOfSecurityEventsLearnsOfEndings: of sessions of its own product,
// by the sub that its tokens had, and still after the node was killed.
func TestAReceiverOfSecurityEventsLearnsOfEndings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := start(t, dsn)
		var found signals
		if b.get("/.well-known/ssf-configuration", "").decode(t, &found); found.Issuer != b.issuer || found.Keys != b.metadata().JWKS {
			t.Errorf("the configuration says %+v", found)
		}
		stream := func(client app) string {
			t.Helper()
			answer := b.signal(client, found.Configuration, map[string]any{"events_requested": []string{"https://schemas.openid.net/secevent/caep/event-type/session-revoked"}})
			var made struct {
				Delivery struct {
					Endpoint string `json:"endpoint_url"`
				} `json:"delivery"`
			}
			if answer.decode(t, &made); answer.status != http.StatusCreated {
				t.Fatalf("creating a stream: %d %s", answer.status, answer.body)
			}
			return made.Delivery.Endpoint
		}
		docs, metrics := stream(b.docsAPI()), stream(b.metricsAPI())
		login := b.mint(mint{account: acme, policy: "temporary-login"})
		token := b.access(b.session(dana, login))
		b.revoke(login)
		check := func(got map[string]securityEvent) {
			t.Helper()
			for jti, e := range got {
				what := e.Events["https://schemas.openid.net/secevent/caep/event-type/session-revoked"]
				if e.Audience != "docs-api" || e.Subject.Session.ID != token.SID || e.Subject.User.Issuer != b.issuer || e.Subject.User.Sub != token.Subject || what["initiating_entity"] != "user" {
					t.Errorf("the event %s is %+v, want one of %+v", jti, e, token)
				}
			}
		}
		before := b.awaitSignals(b.docsAPI(), docs, 1)
		check(before)
		b.kill()
		b.serve()
		after := b.awaitSignals(b.docsAPI(), docs, 1)
		check(after)
		for jti := range before {
			if len(after) != 1 || after[jti].Audience == "" {
				t.Errorf("after kill -9 it is another event: %v", after)
			}
		}
		answer := b.signal(b.metricsAPI(), metrics, map[string]any{"returnImmediately": true})
		if answer.status != http.StatusOK || bytes.Contains(answer.body, []byte("ey")) {
			t.Errorf("another product hears of it: %d %s", answer.status, answer.body)
		}
		if answer := b.signal(b.console(), found.Configuration, map[string]any{}); answer.status != http.StatusForbidden {
			t.Errorf("a client without the scope: %d %s", answer.status, answer.body)
		}
	})
}
