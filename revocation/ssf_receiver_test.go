package revocation_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// receiver is a receiver of security events as anybody may write one: it knows
// the issuer, a token, and the standards.
type receiver struct {
	t      testing.TB
	issuer string
	at     string // where this issuer is reached
	token  string
	conf   map[string]any
}

// said is an answer.
type said struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

const patience = 60 * time.Second

// receiver discovers the transmitter.
func (n *node) receiver(client string) *receiver {
	n.t.Helper()
	r := &receiver{t: n.t, issuer: n.issuer, at: n.at, token: client + "~endings.read"}
	answer := r.call(http.MethodGet, n.issuer+"/.well-known/ssf-configuration", nil)
	if r.conf = answer.body; answer.status != 200 || r.conf["issuer"] != n.issuer || r.conf["spec_version"] != "1_0" {
		n.t.Fatalf("the configuration: %d %s", answer.status, answer.raw)
	}
	return r
}

func (r *receiver) call(method, url string, body any) said {
	r.t.Helper()
	raw, is := body.(string)
	if !is && body != nil {
		text, err := json.Marshal(body)
		must(r.t, err)
		raw = string(text)
	}
	q, err := http.NewRequestWithContext(r.t.Context(), method, r.at+strings.TrimPrefix(url, r.issuer), strings.NewReader(raw))
	must(r.t, err)
	if r.token != "" {
		q.Header.Set("Authorization", "Bearer "+r.token)
	}
	answer, err := (&http.Client{Timeout: patience}).Do(q)
	must(r.t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	must(r.t, err)
	out := said{status: answer.StatusCode, header: answer.Header, raw: string(text)}
	_ = json.Unmarshal(text, &out.body)
	return out
}

func (r *receiver) endpoint(name string) string {
	url, _ := r.conf[name].(string)
	if !strings.HasPrefix(url, r.issuer) {
		r.t.Fatalf("%s is %v", name, r.conf[name])
	}
	return url
}

func (r *receiver) streams(method string, body any) said {
	return r.call(method, r.endpoint("configuration_endpoint"), body)
}

func (r *receiver) want(status int, what string, answer said) said {
	r.t.Helper()
	if answer.status != status {
		r.t.Fatalf("%s: %d %s, want %d", what, answer.status, answer.raw, status)
	}
	return answer
}

type object = map[string]any

// stream makes a stream and returns its id and where it is polled.
func (r *receiver) stream(delivery object) (id, endpoint string) {
	r.t.Helper()
	answer := r.want(201, "creating a stream", r.streams(http.MethodPost, object{"delivery": delivery}))
	id, _ = answer.body["stream_id"].(string)
	endpoint, _ = answer.body["delivery"].(object)["endpoint_url"].(string)
	return id, endpoint
}

func (r *receiver) polled() (id, endpoint string) {
	r.t.Helper()
	return r.stream(object{"method": "urn:ietf:rfc:8936"})
}

// poll asks once.
func (r *receiver) poll(endpoint string, body object) map[string]event {
	r.t.Helper()
	answer := r.want(200, "polling", r.call(http.MethodPost, endpoint, body))
	sets, is := answer.body["sets"].(object)
	if !is {
		r.t.Fatalf("there are no sets: %s", answer.raw)
	}
	out := map[string]event{}
	for jti, set := range sets {
		if out[jti] = r.open(set.(string)); out[jti].ID != jti {
			r.t.Errorf("the event %s is under %s", out[jti].ID, jti)
		}
	}
	return out
}

// take polls and acknowledges until it has so many events.
func (r *receiver) take(endpoint string, n int) map[string]event {
	r.t.Helper()
	out, taken := map[string]event{}, []string{}
	for deadline := time.Now().Add(patience); len(out) < n; {
		for jti, e := range r.poll(endpoint, object{"ack": taken}) {
			out[jti], taken = e, append(taken, jti)
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%d of %d events came", len(out), n)
		}
	}
	r.poll(endpoint, object{"ack": taken, "maxEvents": 0})
	return out
}

// event is a Security Event Token.
type event struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Issued   int64  `json:"iat"`
	ID       string `json:"jti"`
	TXN      string `json:"txn"`
	Subject  struct {
		Format  string
		ID      string
		Session struct{ Format, ID string }
		User    struct{ Format, Iss, Sub string }
	} `json:"sub_id"`
	Events map[string]object `json:"events"`
	raw    string
}

const (
	sessionRevoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	verification   = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	streamUpdated  = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
)

// open verifies an event by the keys that the configuration names.
func (r *receiver) open(set string) event {
	r.t.Helper()
	signed, err := jose.ParseSignedCompact(set, []jose.SignatureAlgorithm{jose.RS256})
	must(r.t, err)
	var set2 jose.JSONWebKeySet
	must(r.t, json.Unmarshal([]byte(r.call(http.MethodGet, r.endpoint("jwks_uri"), nil).raw), &set2))
	head := signed.Signatures[0].Protected
	if head.ExtraHeaders["typ"] != "secevent+jwt" {
		r.t.Errorf("typ is %v", head.ExtraHeaders["typ"])
	}
	payload, err := signed.Verify(set2.Key(head.KeyID)[0])
	must(r.t, err)
	var e event
	must(r.t, json.Unmarshal(payload, &e))
	e.raw = string(payload)
	var members object
	must(r.t, json.Unmarshal(payload, &members))
	if members["exp"] != nil || members["sub"] != nil || e.Issuer != r.issuer || len(e.Events) != 1 || e.ID == "" || e.Issued > time.Now().Unix() {
		r.t.Errorf("no event of the framework: %s", payload)
	}
	if bytes.Contains(payload, []byte("ecret")) {
		r.t.Errorf("it tells of people: %s", payload)
	}
	return e
}

// sids are the sessions of events.
func sids(events map[string]event) map[string]int {
	out := map[string]int{}
	for _, e := range events {
		if e.Events[sessionRevoked] != nil {
			out[e.Subject.Session.ID]++
		}
	}
	return out
}

// eventually waits for something that other parts of the program bring about.
func eventually(t testing.TB, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
		<-time.After(5 * time.Millisecond)
	}
}
