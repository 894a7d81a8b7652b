package connectors

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/credentials"
)

// TestTokensOfTheTokenEndpoint: the broker's own connection to the issuer is no
// reason to believe what comes over it.
func TestTokensOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seconds := func(n int) int64 { return noon.Add(time.Duration(n) * time.Second).Unix() }
	for _, c := range []struct {
		name    string
		changes map[string]any
		token   func(claims map[string]any) string
		ok      bool
	}{
		{"a good one", nil, nil, true},
		{"another audience", map[string]any{"aud": "another"}, nil, false},
		{"no audience", map[string]any{"aud": nil}, nil, false},
		{"an odd audience", map[string]any{"aud": []any{1}}, nil, false},
		{"two audiences, for us", map[string]any{"aud": []string{"another", "valetkey"}, "azp": "valetkey"}, nil, true},
		{"two audiences, for another", map[string]any{"aud": []string{"another", "valetkey"}, "azp": "another"}, nil, false},
		{"two audiences, for nobody", map[string]any{"aud": []string{"another", "valetkey"}}, nil, false},
		{"issued to us", map[string]any{"azp": "valetkey"}, nil, true},
		{"issued to another", map[string]any{"azp": "another"}, nil, false},
		{"issued to nobody", map[string]any{"azp": ""}, nil, false},
		{"issued to a number", map[string]any{"azp": 1}, nil, false},
		{"issued to two", map[string]any{"azp": []string{"valetkey", "another"}}, nil, false},
		{"another issuer", map[string]any{"iss": "https://elsewhere.example"}, nil, false},
		{"another nonce", map[string]any{"nonce": "another"}, nil, false},
		{"no nonce", map[string]any{"nonce": nil}, nil, false},
		{"no subject", map[string]any{"sub": nil}, nil, false},
		{"an empty subject", map[string]any{"sub": ""}, nil, false},
		{"an endless subject", map[string]any{"sub": strings.Repeat("x", maxSubject+1)}, nil, false},
		{"a subject of two lines", map[string]any{"sub": "4711\n4712"}, nil, false},
		{"expired", map[string]any{"exp": seconds(-1)}, nil, false},
		{"expiring", map[string]any{"exp": seconds(0)}, nil, false},
		{"about to expire", map[string]any{"exp": seconds(1)}, nil, true},
		{"no expiry", map[string]any{"exp": nil}, nil, false},
		{"no time", map[string]any{"iat": nil}, nil, false},
		{"ten seconds ahead", map[string]any{"iat": seconds(10)}, nil, true},
		{"eleven seconds ahead", map[string]any{"iat": seconds(11)}, nil, false},
		{"valid in ten seconds", map[string]any{"nbf": seconds(10)}, nil, true},
		{"valid in a minute", map[string]any{"nbf": seconds(60)}, nil, false},
		{"valid from some day", map[string]any{"nbf": "tomorrow"}, nil, false},
		{"a sign-in in a minute", map[string]any{"auth_time": seconds(60)}, nil, false},
		{"a sign-in on some day", map[string]any{"auth_time": "yesterday"}, nil, false},
		{"of its access token", map[string]any{"at_hash": "sda5G2fCr6XjIpiNlGJjjQ"}, nil, true},
		{"of another access token", map[string]any{"at_hash": "sda5G2fCr6XjIpiNlGJjjA"}, nil, false},
		{"a logout token", map[string]any{"events": map[string]any{}}, nil, false},
		{"no token", nil, func(map[string]any) string { return "" }, false},
		{"unsigned", nil, func(c map[string]any) string { return unsigned(t, c) }, false},
		{"another key", nil, func(c map[string]any) string { return signWith(t, jose.ES256, other, "", c) }, false},
		{"another key by name", nil, func(c map[string]any) string {
			return signWith(t, jose.ES256, jose.JSONWebKey{Key: other, KeyID: "k"}, "", c)
		}, false},
		{"the client secret as key", nil, func(c map[string]any) string { return signWith(t, jose.HS256, []byte(oddSecret), "", c) }, false},
		{"many groups", map[string]any{"groups": manyGroups(1000)}, nil, true},
		{"far too many", map[string]any{"groups": manyGroups(2000)}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			h.changes = c.changes
			if c.token != nil {
				h.token = c.token
			}
			got, err := h.signIn(t, h.connector(), Ask{})
			switch {
			case c.ok && (err != nil || got.Subject != "4711" || fmt.Sprint(got.Claims) != "map[groups:[support]]"):
				t.Errorf("%+v, %v", got, err)
			case !c.ok && (!errors.Is(err, ErrIDToken) || !errors.Is(err, ErrUpstream) || got.Subject != ""):
				t.Errorf("%+v, %v; want ErrIDToken of ErrUpstream", got, err)
			}
		})
	}
}

func manyGroups(n int) []string {
	list := []string{"support"}
	for i := range n {
		list = append(list, fmt.Sprintf("group-%08d-of-northwind", i))
	}
	return list
}

// TestOtherTypes of tokens are none, whoever signed them.
func TestOtherTypes(t *testing.T) {
	t.Parallel()
	for typ, ok := range map[string]bool{"JWT": true, "jwt": true, "at+jwt": false, "logout+jwt": false, "dpop+jwt": false} {
		h := newHostile(t)
		h.token = func(c map[string]any) string { return signWith(t, jose.ES256, h.key, typ, c) }
		if _, err := h.signIn(t, h.connector(), Ask{}); (err == nil) != ok {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
}

// TestAlgorithms: a signature counts if the issuer says that it signs like
// that, and by a key pair.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says any
		ok   bool
	}{
		{[]string{"ES256"}, true}, {[]string{"RS256", "ES256"}, true}, {[]string{"RS256"}, false},
		{[]string{"HS256", "none"}, false}, {[]string{}, false}, {nil, false}, // then it is RS256
	} {
		h := newHostile(t)
		h.discovery = map[string]any{"id_token_signing_alg_values_supported": c.says}
		if _, err := h.signIn(t, h.connector(), Ask{}); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrIDToken) {
			t.Errorf("%v: %v", c.says, err)
		}
	}
}

// TestAnIssuerThatDoesNotAsk: one that was told to ask for a new proof and says
// that it did not is not believed, and is not asked in a circle either.
func TestAnIssuerThatDoesNotAsk(t *testing.T) {
	t.Parallel()
	minute := int64(60)
	for _, c := range []struct {
		name string
		ask  Ask
		age  time.Duration // of the sign-in that it speaks of; below 0: it does not say
		ok   bool
	}{
		{"nothing asked", Ask{}, 24 * time.Hour, true},
		{"silently", Ask{Silent: true}, 24 * time.Hour, true},
		{"again, and it did", Ask{Again: true}, 0, true},
		{"again, by another clock", Ask{Again: true}, 10 * time.Second, true},
		{"again, and it did not", Ask{Again: true}, 11 * time.Second, false},
		{"again, and it does not say", Ask{Again: true}, -1, true},
		{"of this minute", Ask{MaxAge: &minute}, 60 * time.Second, true},
		{"of this minute, by another clock", Ask{MaxAge: &minute}, 70 * time.Second, true},
		{"of another minute", Ask{MaxAge: &minute}, 71 * time.Second, false},
		{"of another minute, silently", Ask{Silent: true, MaxAge: &minute}, 71 * time.Second, false},
		{"again, of this minute", Ask{Again: true, MaxAge: &minute}, 60 * time.Second, false},
	} {
		h := newHostile(t)
		want := noon
		if c.age >= 0 {
			want = noon.Add(-c.age)
			h.changes = map[string]any{"auth_time": want.Unix()}
		}
		got, err := h.signIn(t, h.connector(), c.ask)
		switch {
		case c.ok && (err != nil || !got.AuthTime.Equal(want) || !got.ProvedAt.Equal(noon)):
			t.Errorf("%s: proved at %s and %s, %v; want %s", c.name, got.AuthTime, got.ProvedAt, err, want)
		case !c.ok && !errors.Is(err, ErrStale):
			t.Errorf("%s: %v, want ErrStale", c.name, err)
		}
	}
}

// TestWhatAnIssuerSays on the way back.
func TestWhatAnIssuerSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		query string
		iss   bool // it has said that it always says who it is
		err   error
	}{
		{"code=c", false, nil},
		{"code=c", true, ErrTrip},
		{"code=c&iss=SELF", true, nil},
		{"code=c&iss=SELF", false, nil},
		{"code=c&iss=SELF/", false, ErrTrip},
		{"code=c&iss=", false, ErrTrip},
		{"code=c&iss=SELF&iss=SELF", false, ErrTrip},
		{"code=c&code=c", false, ErrTrip},
		{"code=c&state=s&state=s", false, ErrTrip},
		{"code=c&x=1&x=1", false, ErrTrip},
		{"code=", false, ErrTrip},
		{"", false, ErrTrip},
		{"error=login_required", false, ErrInteraction},
		{"error=interaction_required", false, ErrInteraction},
		{"error=consent_required", false, ErrInteraction},
		{"error=account_selection_required", false, ErrInteraction},
		{"error=login_required", true, ErrTrip},
		{"error=login_required&iss=SELF", true, ErrInteraction},
		{"error=access_denied", false, ErrDeclined},
		{"error=server_error&error_description=" + strings.Repeat("x", 1000), false, ErrUpstream},
		{"error=" + strings.Repeat("x", 1000), false, ErrUpstream},
		{"error=", false, ErrUpstream},
	} {
		h := newHostile(t)
		h.discovery = map[string]any{"authorization_response_iss_parameter_supported": c.iss}
		o := h.connector()
		trip := o.NewTrip(Ask{})
		h.nonce = trip.Nonce
		query, err := url.ParseQuery(strings.ReplaceAll(c.query, "SELF", url.QueryEscape(h.server.URL)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.Return(t.Context(), trip, query)
		if !errors.Is(err, c.err) {
			t.Errorf("%.40s: %v, want %v", c.query, err, c.err)
		}
		if err != nil && len(err.Error()) > 2*maxSaid {
			t.Errorf("%.40s: the error has %d characters", c.query, len(err.Error()))
		}
	}
}

// TestHowTheBrokerAuthenticates at the token endpoint, by what the issuer
// takes; never in both ways at once.
func TestHowTheBrokerAuthenticates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		methods any
		secret  string
		basic   bool // in the header
		posted  bool // in the body
		ok      bool
	}{
		{nil, oddSecret, true, false, true},
		{[]string{basic}, oddSecret, true, false, true},
		{[]string{post, basic}, oddSecret, true, false, true},
		{[]string{post}, oddSecret, false, true, true},
		{[]string{"private_key_jwt"}, oddSecret, false, false, false},
		{[]string{"private_key_jwt"}, "", false, false, true},
		{[]string{basic}, "", false, false, true},
	} {
		h := newHostile(t)
		h.discovery = map[string]any{"token_endpoint_auth_methods_supported": c.methods}
		o := h.connector()
		o.ClientSecret = credentials.NewSecret(c.secret)
		_, err := h.signIn(t, o, Ask{})
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrUpstream) {
			t.Errorf("%v: %v", c.methods, err)
		}
		if (h.user != "") != c.basic || h.posted.Has("client_secret") != c.posted || c.ok && !c.basic && h.posted.Get("client_id") != "valetkey" {
			t.Errorf("%v: it comes as %q with %v", c.methods, h.user, h.posted)
		}
		if c.ok && (h.posted.Get("grant_type") != "authorization_code" || h.posted.Get("redirect_uri") != callback || h.posted.Get("code_verifier") == "") {
			t.Errorf("%v: it sends %v", c.methods, h.posted)
		}
	}
}

// TestUserInfo must speak of the same person; then it is what counts.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		says map[string]any
		err  error
	}{
		{"it allows", map[string]any{"sub": "4711", "groups": []string{"support"}, "name": "Uma"}, nil},
		{"it does not allow", map[string]any{"sub": "4711", "groups": []string{"sales"}}, ErrNotAllowed},
		{"it says nothing", map[string]any{"sub": "4711"}, ErrNotAllowed},
		{"of somebody else", map[string]any{"sub": "4712", "groups": []string{"support"}}, ErrUpstream},
		{"of nobody", map[string]any{"groups": []string{"support"}}, ErrUpstream},
	} {
		h := newHostile(t)
		h.changes = map[string]any{"name": "Ida", "email": "ida@northwind.example"}
		h.userinfo = c.says
		o := h.connector()
		o.UserInfo = true
		got, err := h.signIn(t, o, Ask{})
		if !errors.Is(err, c.err) || err == nil && (got.Name != "Uma" || got.Email != "ida@northwind.example") {
			t.Errorf("%s: %+v, %v; want %v", c.name, got, err, c.err)
		}
	}
}

// TestWhoseFaultItIs that there is no token: the set-up's, that of whoever brought
// the code, or the issuer's.
func TestWhoseFaultItIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status         int
		code           string
		ours, anybodys bool
	}{
		{400, "invalid_client", true, false},
		{401, "invalid_client", true, false},
		{401, "", true, false},
		{400, "unauthorized_client", true, false},
		{400, "unsupported_grant_type", true, false},
		{400, "invalid_scope", true, false},
		{400, "invalid_request", false, true},
		{400, "", false, true},
		{403, "", false, false},
		{500, "server_error", false, false},
	} {
		h := newHostile(t)
		h.instead["/token"] = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"error":%q}`, c.code)
		}
		_, err := h.signIn(t, h.connector(), Ask{})
		if !errors.Is(err, ErrUpstream) || errors.Is(err, ErrNotTaken) != c.ours || errors.Is(err, ErrCarried) != c.anybodys {
			t.Errorf("%d %s: %v", c.status, c.code, err)
		}
	}
}

// TestErrorsKeepNoSecrets: an issuer that answers with what it was sent does
// not have the broker write it into its log.
func TestErrorsKeepNoSecrets(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
		h := newHostile(t)
		h.discovery = map[string]any{"token_endpoint_auth_methods_supported": []string{post}}
		h.instead["/token"] = func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			h.posted = r.PostForm
			http.Error(w, r.PostForm.Encode(), status)
		}
		o := h.connector()
		_, err := h.signIn(t, o, Ask{})
		if !errors.Is(err, ErrUpstream) {
			t.Errorf("%d: %v, want ErrUpstream", status, err)
		}
		quiet := h.connector() // the one that was used may still be letting go of its locks
		said := fmt.Sprintf("%v %+v %#v %+v", err, quiet, quiet, quiet.ClientSecret)
		for _, secret := range []string{oddSecret, url.QueryEscape(oddSecret), h.posted.Get("code_verifier"), h.posted.Get("client_secret")} {
			if secret == "" || strings.Contains(said, secret) {
				t.Errorf("%d: %q is in %s", status, secret, said)
			}
		}
	}
}

// TestManyAtOnce: people who come back are turned away when the issuer keeps
// too many waiting.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	reached, release := make(chan struct{}), make(chan struct{})
	h.instead["/token"] = func(w http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-release
		http.Error(w, "{}", http.StatusBadGateway)
	}
	o := h.connector()
	o.inFlight.Store(maxInFlight - 1)
	done := make(chan error, 1)
	go func() {
		_, err := o.Return(t.Context(), o.NewTrip(Ask{}), url.Values{"code": {"c"}})
		done <- err
	}()
	select {
	case <-reached:
	case err := <-done:
		t.Fatal(err)
	}
	if _, err := h.signIn(t, o, Ask{}); !errors.Is(err, credentials.ErrBusy) {
		t.Errorf("one too many: %v, want ErrBusy", err)
	}
	close(release)
	if err := <-done; !errors.Is(err, ErrUpstream) {
		t.Errorf("the last one: %v, want ErrUpstream", err)
	}
	h.instead = nil
	if _, err := h.signIn(t, o, Ask{}); err != nil {
		t.Errorf("after them: %v", err)
	}
	if n := o.inFlight.Load(); n != maxInFlight-1 {
		t.Errorf("%d are under way, want %d", n, maxInFlight-1)
	}
}
