package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Broker is how the app reaches the broker: as two clients of it, one that
// signs agents in and one that reports what they do.
type Broker struct {
	Issuer          string
	ClientID        string
	ClientSecret    string
	APIClientID     string
	APIClientSecret string
	Audience        string // of the app's access tokens
	RedirectURI     string

	mu    sync.Mutex
	found *endpoints
}

// endpoints are what the broker's discovery document says.
type endpoints struct {
	signIn   oauth2.Config
	api      oauth2.TokenSource // of the management API; it keeps its token while that lives
	idTokens *oidc.IDTokenVerifier
	access   *oidc.IDTokenVerifier
	others   metadata
}

type metadata struct {
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
}

// scopes is everything that the app can do. It asks for all of it, and gets
// what was lent.
var scopes = []string{oidc.ScopeOpenID, "documents.read", "documents.write", "documents.delete", "settings.read", "settings.write", "billing.read"}

// outbound follows no redirects: the broker's URLs come from its own discovery
// and lead nowhere else.
var outbound = &http.Client{
	Timeout:       5 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

var (
	errNoRenewal = errors.New("the broker renews the session's token no more")
	errNotLent   = errors.New("the scope was not lent")
)

// ended is the broker's word that the session is over.
type ended struct {
	Cause string    `json:"cause"`
	At    time.Time `json:"ended_at"`
}

func (e *ended) Error() string { return "the support session has ended: " + e.Cause }

// endpoints discovers the broker once it is needed; a failure is not kept.
func (b *Broker) endpoints(ctx context.Context) (*endpoints, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.found != nil {
		return b.found, nil
	}
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), outbound) // key set and token source outlive this click
	provider, err := oidc.NewProvider(ctx, b.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the broker's discovery document: %w", err)
	}
	e := &endpoints{}
	if err := provider.Claims(&e.others); err != nil {
		return nil, fmt.Errorf("the broker's discovery document: %w", err)
	}
	at := provider.Endpoint()
	at.AuthStyle = oauth2.AuthStyleInHeader
	e.signIn = oauth2.Config{ClientID: b.ClientID, ClientSecret: b.ClientSecret, Endpoint: at, RedirectURL: b.RedirectURI, Scopes: scopes}
	e.api = (&clientcredentials.Config{ClientID: b.APIClientID, ClientSecret: b.APIClientSecret, TokenURL: at.TokenURL, AuthStyle: at.AuthStyle}).TokenSource(ctx)
	// The one algorithm that both kinds are configured to have: what a token
	// says of itself, or the discovery document, does not widen it.
	algs := []string{oidc.ES256}
	e.idTokens = provider.Verifier(&oidc.Config{ClientID: b.ClientID, SupportedSigningAlgs: algs})
	e.access = provider.Verifier(&oidc.Config{ClientID: b.Audience, SupportedSigningAlgs: algs})
	b.found = e
	return e, nil
}

// renew exchanges a refresh token (RFC 6749 section 6).
func (b *Broker) renew(ctx context.Context, refresh string) (*oauth2.Token, error) {
	if refresh == "" {
		return nil, errNoRenewal
	}
	e, err := b.endpoints(ctx)
	if err != nil {
		return nil, err
	}
	token, err := e.signIn.TokenSource(oidc.ClientContext(ctx, outbound), &oauth2.Token{RefreshToken: refresh}).Token()
	var said *oauth2.RetrieveError
	if errors.As(err, &said) && said.ErrorCode == "invalid_grant" {
		return nil, errNoRenewal
	}
	return token, err
}

// action is what an agent does, in the words of the record.
type action struct {
	ID      string `json:"id"`
	SID     string `json:"sid"`
	Action  string `json:"action"`
	Target  string `json:"target,omitempty"`
	Scope   string `json:"scope"`
	Outcome string `json:"outcome"` // started or refused
}

// report writes an action to the record. Only nil means that it is there: then,
// and not before, it may be done.
func (b *Broker) report(ctx context.Context, a action) error {
	e, err := b.endpoints(ctx)
	if err != nil {
		return err
	}
	token, err := e.api.Token()
	if err != nil {
		return fmt.Errorf("a token to report actions with: %w", err)
	}
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	status, said, err := send(ctx, b.Issuer+"/api/v1/actions", "application/json", body, token.SetAuthHeader)
	if err != nil {
		return err
	}
	var problem struct {
		Type string `json:"type"`
		ended
	}
	_ = json.Unmarshal(said, &problem) // a reply that cannot be read is judged by its status
	switch {
	case status == http.StatusOK, status == http.StatusCreated:
		return nil
	case status == http.StatusConflict:
		return &problem.ended
	case status == http.StatusForbidden && strings.HasSuffix(problem.Type, ":scope-not-lent"):
		return errNotLent
	case status == http.StatusUnauthorized:
		b.forget(e)
	}
	return fmt.Errorf("the broker answers a reported action with status %d", status)
}

// forget has the next click discover the broker and ask for a token anew.
func (b *Broker) forget(e *endpoints) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.found == e {
		b.found = nil
	}
}

// active asks whether the token's session lives (RFC 7662).
func (b *Broker) active(ctx context.Context, token string) (bool, error) {
	e, err := b.endpoints(ctx)
	if err != nil {
		return false, err
	}
	var answer struct {
		Active bool `json:"active"`
	}
	status, said, err := b.post(ctx, e.others.Introspection, token)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("introspection: status %d", status)
	}
	if err == nil {
		err = json.Unmarshal(said, &answer)
	}
	return answer.Active, err
}

// end takes a token back, and with it the session it belongs to (RFC 7009).
func (b *Broker) end(ctx context.Context, token string) error {
	e, err := b.endpoints(ctx)
	if err != nil {
		return err
	}
	status, _, err := b.post(ctx, e.others.Revocation, token)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("revocation: status %d", status)
	}
	return err
}

func (b *Broker) post(ctx context.Context, to, token string) (int, []byte, error) {
	return send(ctx, to, "application/x-www-form-urlencoded", []byte(url.Values{"token": {token}}.Encode()), func(r *http.Request) {
		r.SetBasicAuth(url.QueryEscape(b.ClientID), url.QueryEscape(b.ClientSecret)) // RFC 6749 section 2.3.1
	})
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

func send(ctx context.Context, to, kind string, body []byte, authenticate func(*http.Request)) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", kind)
	authenticate(r)
	answer, err := outbound.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, said, err
}
