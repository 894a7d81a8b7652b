package connectors

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Upstream verifies ID tokens of one upstream issuer, found by its discovery.
type Upstream struct {
	Issuer  string
	Account string // the claim that names the account's id
	Now     func() time.Time

	mu    sync.Mutex
	found *oidc.Provider
}

// ErrIDToken says that an ID token proves nothing here: another issuer,
// audience or signature, too old, or from the future.
var ErrIDToken = errors.New("the ID token is not valid")

// Ages that an ID token may have when it stands for a person's presence.
const (
	maxTokenAge   = 5 * time.Minute
	maxTokenAhead = 10 * time.Second
)

// maxToken bounds a token before it is parsed, in bytes.
const maxToken = 8 << 10

// upstreamTimeout bounds every request to an upstream issuer.
const upstreamTimeout = 5 * time.Second

// upstreamClient follows no redirects: outbound URLs come from the
// configuration and from what the issuer's own discovery says, nowhere else.
var upstreamClient = &http.Client{
	Timeout:       upstreamTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Claims is what an ID token says of a person.
type Claims struct {
	Subject string
	Account string
	All     map[string][]string // every claim that is a text, number, truth value, or list of those
}

// Verify verifies an ID token that was issued to this audience, at most five
// minutes ago. Any other error than ErrIDToken means that the issuer could not
// be asked.
func (u *Upstream) Verify(ctx context.Context, audience, raw string) (Claims, error) {
	if !isIDToken(raw) {
		return Claims{}, fmt.Errorf("%w: it is too long, or a token of another type", ErrIDToken)
	}
	provider, err := u.provider(ctx)
	if err != nil {
		return Claims{}, err
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: audience, Now: u.Now}).Verify(oidc.ClientContext(ctx, upstreamClient), raw)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrIDToken, err)
	}
	if age := u.Now().Sub(token.IssuedAt); age > maxTokenAge || age < -maxTokenAhead {
		return Claims{}, fmt.Errorf("%w: issued %s ago", ErrIDToken, age)
	}
	all, err := claimsOf(token)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrIDToken, err)
	}
	if _, is := all["events"]; is {
		return Claims{}, fmt.Errorf("%w: it is a logout token", ErrIDToken)
	}
	out := Claims{Subject: token.Subject, All: map[string][]string{}}
	for name, value := range all {
		if texts := textsOf(value); texts != nil {
			out.All[name] = texts
		}
	}
	if account := out.All[u.Account]; len(account) == 1 {
		out.Account = account[0]
	}
	return out, nil
}

// isIDToken looks at a token's type before anything else: an access token or
// logout token of the same issuer may name the same audience.
func isIDToken(raw string) bool {
	if len(raw) > maxToken || strings.Count(raw, ".") != 2 {
		return false
	}
	head, err := base64.RawURLEncoding.DecodeString(raw[:strings.IndexByte(raw, '.')])
	var is struct {
		Type string `json:"typ"`
	}
	return err == nil && json.Unmarshal(head, &is) == nil && (is.Type == "" || strings.EqualFold(is.Type, "JWT"))
}

// claimsOf decodes all claims, numbers as they are written: an account's id may
// be longer than a float64 can tell apart.
func claimsOf(token *oidc.IDToken) (map[string]any, error) {
	var text json.RawMessage
	if err := token.Claims(&text); err != nil {
		return nil, err
	}
	var all map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&all)
	return all, err
}

// Discover asks the issuer for its discovery document, as a check.
func (u *Upstream) Discover(ctx context.Context) error {
	_, err := u.provider(ctx)
	return err
}

// provider discovers the issuer once it is needed; a failure is not kept.
func (u *Upstream) provider(ctx context.Context) (*oidc.Provider, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.found != nil {
		return u.found, nil
	}
	// The provider keeps the context for its key set, so it must outlive ctx.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), upstreamClient), u.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer %s cannot be discovered: %w", u.Issuer, err)
	}
	u.found = found
	return found, nil
}

func textsOf(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case json.Number:
		return []string{v.String()}
	case []any:
		out := []string{}
		for _, each := range v {
			out = append(out, textsOf(each)...)
		}
		return out
	}
	return nil
}
