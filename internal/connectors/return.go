package connectors

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/valetkey/valetkey/credentials"
)

// maxInFlight bounds the people whose codes are exchanged at one moment:
// anybody can come back with a code, and each has the broker ask the issuer.
const maxInFlight = 64

// Return is where a trip ends: with who came back, or with one of ErrTrip,
// ErrInteraction, ErrDeclined, ErrStale, ErrNotAllowed, ErrNoAccount,
// credentials.ErrBusy or, where it is not the person's fault, ErrUpstream. The
// caller has opened the trip from `state`, in the browser that began it.
func (o *OIDC) Return(ctx context.Context, trip Trip, query url.Values) (Proof, error) {
	if err := o.begun(trip, query); err != nil {
		return Proof{}, err
	}
	defer o.inFlight.Add(-1)
	if o.inFlight.Add(1) > maxInFlight {
		return Proof{}, credentials.ErrBusy
	}
	u, err := o.discover(ctx)
	if err != nil {
		return Proof{}, err
	}
	// One issuer's answer must not be taken for another's (RFC 9207).
	if query.Get("iss") != o.Issuer && (query.Has("iss") || u.said.Iss) {
		return Proof{}, fmt.Errorf("%w: its iss is %q", ErrTrip, cut(query.Get("iss")))
	}
	if query.Has("error") {
		return Proof{}, refusal(query.Get("error"))
	}
	if query.Get("code") == "" {
		return Proof{}, fmt.Errorf("%w: it has no code", ErrTrip)
	}
	return o.arrive(ctx, u, trip, query.Get("code"))
}

// begun refuses what no trip of this connector comes back with.
func (o *OIDC) begun(trip Trip, query url.Values) error {
	age := o.Now().Sub(time.Unix(trip.At, 0))
	if trip.Connector != o.ID || trip.Nonce == "" || trip.Verifier == "" || age > tripLife || age < -maxAhead {
		return fmt.Errorf("%w: it was begun %s ago by connector %q", ErrTrip, age, trip.Connector)
	}
	for name, values := range query {
		if len(values) != 1 { // RFC 6749, section 3.1
			return fmt.Errorf("%w: %q is there %d times", ErrTrip, cut(name), len(values))
		}
	}
	return nil
}

// refusal is what an issuer's error means (RFC 6749, section 4.1.2.1; OpenID
// Connect Core 1.0, section 3.1.2.6).
func refusal(code string) error {
	switch code {
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return fmt.Errorf("%w: %s", ErrInteraction, code)
	case "access_denied":
		return ErrDeclined
	case "unauthorized_client", "invalid_client", "invalid_scope", "invalid_request", "unsupported_response_type":
		return fmt.Errorf("%w: %w: it says %q, %w", ErrUpstream, ErrNotTaken, code, ErrCarried)
	}
	return fmt.Errorf("%w: it says %q, %w", ErrUpstream, cut(code), ErrCarried)
}

// arrive exchanges the code and judges who it stands for.
func (o *OIDC) arrive(ctx context.Context, u *upstream, trip Trip, code string) (Proof, error) {
	ctx = oidc.ClientContext(ctx, upstreamClient)
	tokens, err := o.exchange(ctx, u, trip, code)
	if err != nil {
		return Proof{}, err
	}
	token, err := o.taken(ctx, tokens, trip)
	if err != nil {
		return Proof{}, err
	}
	if trip.isStale(token.authTime) {
		return Proof{}, fmt.Errorf("%w: it was at %s", ErrStale, token.authTime)
	}
	said := token.claims
	if o.UserInfo {
		if said, err = u.userInfo(ctx, tokens, token.Subject); err != nil {
			return Proof{}, err
		}
	}
	return o.admit(token, said)
}

// exchange gives the code for tokens (RFC 6749, section 4.1.3; RFC 7636,
// section 4.5).
func (o *OIDC) exchange(ctx context.Context, u *upstream, trip Trip, code string) (*oauth2.Token, error) {
	style, err := o.style(u.said)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpstream, err)
	}
	client := oauth2.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), RedirectURL: o.RedirectURI,
		Endpoint: oauth2.Endpoint{TokenURL: u.said.Token, AuthStyle: style}}
	tokens, err := client.Exchange(ctx, code, oauth2.VerifierOption(trip.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		return nil, fmt.Errorf("%w: the code is not good, or not any more", ErrTrip)
	case errors.As(err, &refused):
		return nil, refusedBy(refused)
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrUpstream, cut(err.Error()))
	}
	return tokens, nil
}

// refusedBy is what a token endpoint says that gives no token, without the body: what
// an issuer echoes may be a secret. Some say of a code that was made up that the
// whole request is not valid.
func refusedBy(r *oauth2.RetrieveError) error {
	err := fmt.Errorf("%w: its token endpoint says %s, %q", ErrUpstream, r.Response.Status, cut(r.ErrorCode))
	ours := slices.Contains([]string{"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}, r.ErrorCode)
	switch status := r.Response.StatusCode; {
	case ours, status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", ErrNotTaken, err)
	case status == http.StatusBadRequest:
		return fmt.Errorf("%w, %w", err, ErrCarried)
	}
	return err
}

// taken verifies the ID token that came for the code, and that it came for this
// trip.
func (o *OIDC) taken(ctx context.Context, tokens *oauth2.Token, trip Trip) (idToken, error) {
	raw, _ := tokens.Extra("id_token").(string)
	token, err := o.verify(ctx, o.ClientID, raw)
	switch {
	case err != nil:
	case token.claims["azp"] != nil && !slices.Equal(token.claims.values("azp"), []string{o.ClientID}):
		// OpenID Connect Core 1.0, section 3.1.3.7 leaves this open (errata set 2). A
		// token may name another party that its audience has had it fetched by, as
		// those of Google's mobile apps do; this one was fetched here.
		err = fmt.Errorf("%w: its azp is another client", ErrIDToken)
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(trip.Nonce)) != 1:
		err = fmt.Errorf("%w: its nonce is another", ErrIDToken)
	case token.AccessTokenHash != "" && token.VerifyAccessToken(tokens.AccessToken) != nil:
		err = fmt.Errorf("%w: its access token is another", ErrIDToken)
	}
	if errors.Is(err, ErrIDToken) { // the issuer's fault: nobody else had it in their hands
		err = fmt.Errorf("%w: %w", ErrUpstream, err)
	}
	return token, err
}

// isStale reports whether the issuer says that it did not do what the trip
// asked for. It is judged as of the asking, with as much leeway as clocks have;
// an issuer that does not say is believed.
func (t Trip) isStale(authTime time.Time) bool {
	oldest := t.At
	switch {
	case authTime.IsZero(), !t.Again && t.MaxAge == nil:
		return false
	case !t.Again:
		oldest -= *t.MaxAge
	}
	return authTime.Add(maxAhead).Unix() < oldest
}

// userInfo asks the issuer for the person's claims (OpenID Connect Core 1.0,
// section 5.3).
func (u *upstream) userInfo(ctx context.Context, tokens *oauth2.Token, subject string) (claims, error) {
	info, err := u.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, fmt.Errorf("%w: its userinfo: %s", ErrUpstream, cut(err.Error()))
	}
	if info.Subject != subject {
		return nil, fmt.Errorf("%w: its userinfo speaks of somebody else", ErrUpstream)
	}
	said, err := claimsOf(info)
	if err != nil {
		return nil, fmt.Errorf("%w: its userinfo: %w", ErrUpstream, err)
	}
	return said, nil
}
