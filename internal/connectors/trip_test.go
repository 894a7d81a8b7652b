package connectors

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
)

// TestURL: what the broker asks for is its own decision, whatever parameters
// the configuration adds.
func TestURL(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	h.discovery = map[string]any{"authorization_endpoint": h.server.URL + "/auth?realm=northwind&prompt=x"}
	o := h.connector()
	o.Scopes = []string{"openid", "groups"}
	hour := int64(3600)
	for _, c := range []struct {
		name   string
		params map[string]string
		ask    Ask
		extra  url.Values
	}{
		{"plain", nil, Ask{}, url.Values{}},
		{"silently", nil, Ask{Silent: true}, url.Values{"prompt": {"none"}}},
		{"silently, of this hour", nil, Ask{Silent: true, MaxAge: &hour}, url.Values{"prompt": {"none"}, "max_age": {"3600"}}},
		{"again", nil, Ask{Again: true}, url.Values{"prompt": {"login"}, "max_age": {"0"}}},
		{"again, of this hour", nil, Ask{Again: true, MaxAge: &hour}, url.Values{"prompt": {"login"}, "max_age": {"0"}}},
		{"with a hint", nil, Ask{LoginHint: "dana"}, url.Values{"login_hint": {"dana"}}},
		{"with parameters", map[string]string{"acr_values": "phr", "login_hint": "x"}, Ask{LoginHint: "dana"},
			url.Values{"acr_values": {"phr"}, "login_hint": {"dana"}}},
		{"with parameters of ours", map[string]string{"client_id": "x", "redirect_uri": "x", "response_type": "x", "response_mode": "x",
			"scope": "x", "state": "x", "nonce": "x", "code_challenge": "x", "code_challenge_method": "plain", "prompt": "x",
			"max_age": "1", "request": "x", "request_uri": "x", "client_secret": "x"}, Ask{}, url.Values{}},
	} {
		o.Params = c.params
		trip := o.NewTrip(c.ask)
		text, err := o.URL(t.Context(), trip, "a&b")
		if err != nil {
			t.Fatal(err)
		}
		to, err := url.Parse(text)
		if err != nil || to.Scheme+"://"+to.Host+to.Path != h.server.URL+"/auth" {
			t.Errorf("%s: it leads to %s, %v", c.name, text, err)
		}
		want := url.Values{"realm": {"northwind"}, "response_type": {"code"}, "client_id": {"valetkey"}, "redirect_uri": {callback},
			"scope": {"openid groups"}, "state": {"a&b"}, "nonce": {trip.Nonce}, "code_challenge_method": {"S256"},
			"code_challenge": {oauth2.S256ChallengeFromVerifier(trip.Verifier)}}
		for name, value := range c.extra {
			want[name] = value
		}
		if diff := cmp.Diff(want, to.Query()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestNewTrip: no two are alike, and each survives its sealing.
func TestNewTrip(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	hour := int64(3600)
	ask := Ask{Again: true, MaxAge: &hour, LoginHint: "dana"}
	a, b := h.connector().NewTrip(ask), h.connector().NewTrip(ask)
	if a.Nonce == b.Nonce || a.Verifier == b.Verifier || len(a.Nonce) < 22 || len(a.Verifier) < 43 {
		t.Errorf("%+v and %+v", a, b)
	}
	a.Request = "errand"
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var got Trip
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, got); diff != "" {
		t.Error(diff)
	}
	if got.At != noon.Unix() || got.Connector != "corp" || !got.Again || got.Silent || *got.MaxAge != 3600 || got.Hint != "dana" {
		t.Errorf("%+v", got)
	}
}
