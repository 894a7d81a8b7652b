package connectors

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Ask is what is asked of an issuer besides who somebody is.
type Ask struct {
	Silent    bool   // show the person nothing: prompt=none
	Again     bool   // ask for the proof again: prompt=login
	MaxAge    *int64 // how old the proof may be, in seconds
	LoginHint string // whom the issuer should expect
}

// Trip is somebody's way to the issuer and back. The caller seals it for the
// browser that it was begun in and sends the sealed text along as `state`:
// nothing is kept here, and nobody else can read the verifier.
type Trip struct {
	Connector string `json:"c"`
	Nonce     string `json:"n"`
	Verifier  string `json:"v"` // of PKCE
	Silent    bool   `json:"s,omitempty"`
	Again     bool   `json:"g,omitempty"`
	MaxAge    *int64 `json:"m,omitempty"` // seconds
	Hint      string `json:"h,omitempty"`
	At        int64  `json:"a"`           // UTC seconds
	Request   string `json:"r,omitempty"` // the caller's own; means nothing here
}

// tripLife is how long a trip may take.
const tripLife = 10 * time.Minute

// maxAhead is how far the clock of another machine may be ahead of this one.
const maxAhead = 10 * time.Second

// NewTrip begins a trip, with a nonce and a PKCE verifier of its own.
func (o *OIDC) NewTrip(ask Ask) Trip {
	return Trip{Connector: o.ID, Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Silent: ask.Silent, Again: ask.Again,
		MaxAge: ask.MaxAge, Hint: ask.LoginHint, At: o.Now().Unix()}
}

// reserved are the parameters that only the broker sets. The configuration is
// told so when it is loaded; here is what holds whoever wired the connector.
var reserved = []string{
	"client_id", "client_secret", "code_challenge", "code_challenge_method", "max_age", "nonce",
	"prompt", "redirect_uri", "request", "request_uri", "response_mode", "response_type", "scope", "state",
}

// URL is where the browser is sent to (OpenID Connect Core 1.0, section
// 3.1.2.1). A trip that is both silent and for a new sign-in leads nowhere:
// that is ErrInteraction at once.
func (o *OIDC) URL(ctx context.Context, trip Trip, state string) (string, error) {
	if trip.Silent && trip.Again {
		return "", ErrInteraction
	}
	u, err := o.discover(ctx)
	if err != nil {
		return "", err
	}
	to, err := url.Parse(u.said.Auth)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUpstream, err)
	}
	query := to.Query() // an endpoint may have parameters of its own (RFC 6749, section 3.1)
	for name, value := range o.Params {
		query.Set(name, value)
	}
	for _, name := range reserved {
		query.Del(name)
	}
	o.request(query, trip, state)
	to.RawQuery = query.Encode()
	return to.String(), nil
}

func (o *OIDC) request(query url.Values, trip Trip, state string) {
	query.Set("response_type", "code")
	query.Set("client_id", o.ClientID)
	query.Set("redirect_uri", o.RedirectURI)
	query.Set("scope", strings.Join(o.Scopes, " "))
	query.Set("state", state)
	query.Set("nonce", trip.Nonce)
	query.Set("code_challenge", oauth2.S256ChallengeFromVerifier(trip.Verifier))
	query.Set("code_challenge_method", "S256")
	switch {
	case trip.Silent:
		query.Set("prompt", "none")
	case trip.Again:
		query.Set("prompt", "login")
	}
	switch {
	case trip.Again:
		// It says the same once more, and has the issuer tell in auth_time
		// whether it did (section 2).
		query.Set("max_age", "0")
	case trip.MaxAge != nil:
		query.Set("max_age", strconv.FormatInt(*trip.MaxAge, 10))
	}
	if trip.Hint != "" {
		query.Set("login_hint", trip.Hint)
	}
}
