package guard

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var (
	// errOver says that the broker renews a session no more.
	errOver = errors.New("the broker renews the session no more")
	// errOtherSession says that a renewal came back with another session.
	errOtherSession = errors.New("the broker has another session in this browser")
	// errTooLarge says that a session's tokens fit in no cookie.
	errTooLarge = errors.New("the session's tokens are too large")
)

// tokens is a successful answer of the token endpoint (RFC 6749 section 5.1).
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

// exchange turns a code into tokens and verifies both (OpenID Connect Core 1.0
// section 3.1.3).
func (l *Login) exchange(r *http.Request, t trip, code string) (kept, error) {
	// A code is good once: whoever closes the tab now must not waste it half way.
	ctx := context.WithoutCancel(r.Context())
	got, err := l.ask(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {l.cfg.RedirectURI}, "code_verifier": {t.Verifier}}, "")
	if errors.Is(err, errOver) {
		return kept{}, fmt.Errorf("%w: the code is not good, or not any more", errAnswer)
	}
	if err != nil {
		return kept{}, err
	}
	s, err := l.entered(ctx, got)
	if err != nil {
		return kept{}, err
	}
	if err := l.checkID(ctx, got, t.Nonce, s); err != nil {
		return kept{}, err
	}
	if t.Silent != "" && t.Silent != s.ID {
		return kept{}, errOtherSession
	}
	return keep(s, got), nil
}

// renew exchanges a refresh token (RFC 6749 section 6). errOver means that the
// session is over; with any other error that is not known.
func (l *Login) renew(ctx context.Context, k kept) (kept, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {k.Refresh}}
	got, err := l.ask(ctx, form, k.Access)
	if errors.Is(err, errLost) {
		// The broker may have given the next token to nobody. It repeats itself
		// for 30 seconds; after that the same question would end the session.
		got, err = l.ask(ctx, form, k.Access)
	}
	if err != nil {
		return kept{}, err
	}
	if got.Refresh == "" {
		got.Refresh = k.Refresh // this client's are not rotated
	}
	s, err := l.entered(ctx, got)
	switch {
	case err != nil:
		return kept{}, err
	case s.ID != k.SID:
		return kept{}, errOtherSession
	}
	return keep(s, got), nil
}

// errLost says that no answer came.
var errLost = errors.New("the broker does not answer")

// ask asks the token endpoint; access is the token that is to be renewed, if any.
func (l *Login) ask(ctx context.Context, form url.Values, access string) (tokens, error) {
	at, err := l.guard.broker(ctx)
	if err != nil {
		return tokens{}, err
	}
	status, body, err := l.postProven(ctx, at.Token, form, access)
	if err != nil {
		return tokens{}, fmt.Errorf("%w: %w", errLost, err)
	}
	var said struct {
		tokens
		Error string `json:"error"`
	}
	err = json.Unmarshal(body, &said)
	switch {
	case status == http.StatusBadRequest && said.Error == "invalid_grant":
		return tokens{}, errOver
	case status != http.StatusOK:
		return tokens{}, fmt.Errorf("the token endpoint answers %s", why(status, body))
	case err != nil:
		return tokens{}, fmt.Errorf("the token endpoint's answer: %w", err)
	case said.Access == "" || !strings.EqualFold(said.Type, l.tokenType()):
		return tokens{}, fmt.Errorf("the token endpoint gives a token of type %q, not %s: check LoginConfig.DPoP and the client's require.dpop", cut(said.Type), l.tokenType())
	}
	return said.tokens, nil
}

// tokenType is that of the tokens that this login takes (RFC 6749 section 7.1): none
// that are not bound where they are to be.
func (l *Login) tokenType() string {
	if l.prover != nil {
		return "DPoP"
	}
	return "Bearer"
}

// entered verifies the access token that came, and that it came for this app.
func (l *Login) entered(ctx context.Context, got tokens) (*Session, error) {
	t, err := l.guard.admit(ctx, got.Access)
	if err == nil {
		err = l.guard.bound(t, carried{raw: got.Access}, nil)
	}
	switch {
	case errors.Is(err, errAudience):
		return nil, fmt.Errorf("%w: Config.Audience, %q, is to be the audience of the client in the broker's configuration", err, l.guard.cfg.Audience)
	case err != nil:
		return nil, err
	case t.session.ClientID != l.cfg.ClientID:
		return nil, fmt.Errorf("%w: the access token was issued to another client", errAnswer)
	case l.prover != nil && t.jkt == "":
		return nil, fmt.Errorf("%w: the access token is not bound to the key", errAnswer)
	}
	return &t.session, nil
}

// idClaims are what is believed of an ID token. It says who the agent is in the
// same words as the access token does.
type idClaims struct {
	Issuer   string          `json:"iss"`
	Audience audience        `json:"aud"`
	Subject  string          `json:"sub"`
	SID      string          `json:"sid"`
	Nonce    string          `json:"nonce"`
	Hash     string          `json:"at_hash"`
	Expires  int64           `json:"exp"`
	Issued   int64           `json:"iat"`
	Events   json.RawMessage `json:"events"`
}

// checkID verifies the ID token (OpenID Connect Core 1.0 section 3.1.3.7), and
// that it is of the same session as the access token beside it.
func (l *Login) checkID(ctx context.Context, got tokens, nonce string, s *Session) error {
	payload, err := l.guard.payload(ctx, got.ID, "jwt", l.cfg.IDTokenAlg)
	if err != nil {
		return err
	}
	var c idClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return fmt.Errorf("%w: the ID token's claims: %w", errAnswer, err)
	}
	sum := sha256.Sum256([]byte(got.Access)) // of RS256 and of ES256
	hash := base64.RawURLEncoding.EncodeToString(sum[:16])
	now := l.guard.wall()
	for wrong, is := range map[string]bool{
		"its iss is another":                         c.Issuer != l.guard.cfg.Issuer,
		"its aud is not this client alone":           string(c.Audience) != l.cfg.ClientID,
		"its nonce is another":                       subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1,
		"it has expired":                             !now.Before(time.Unix(c.Expires, 0)),
		"it is from the future, or from no time":     c.Issued <= 0 || time.Unix(c.Issued, 0).After(now.Add(skew)),
		"its sid is another than the access token's": c.SID == "" || c.SID != s.ID,
		"its sub is another than the access token's": c.Subject == "" || c.Subject != s.Subject,
		"its at_hash is of another access token":     c.Hash != "" && c.Hash != hash,
		"it is a logout token":                       c.Events != nil,
	} {
		if is {
			return fmt.Errorf("%w: the ID token: %s", errAnswer, wrong)
		}
	}
	return nil
}

func keep(s *Session, got tokens) kept {
	return kept{SID: s.ID, Expires: s.Expires, EndsAt: s.EndsAt, Access: got.Access, Refresh: got.Refresh}
}

// put gives the browser its support cookie. It lasts until the browser is closed:
// what is trusted in it ends long before, and while it is there no request is
// taken for one of the app's own login.
func (l *Login) put(w http.ResponseWriter, r *http.Request, k kept) error {
	plain, err := k.encode()
	if err == nil {
		var value string
		if value, err = l.cookies.seal("support", supportName, plain); err == nil {
			l.cookies.set(w, supportName, value, 0)
			l.dropFormer(w, r)
			return nil
		}
	}
	return fmt.Errorf("%w: %w", errTooLarge, err)
}

const supportName = "support"
