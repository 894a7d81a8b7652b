package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Visitor is one of those that work at the same time: an app and the people in
// front of it, with connections of its own.
type Visitor struct {
	Site  *Site
	lines map[string]*line    // by host
	keys  *jose.JSONWebKeySet // fetched once
}

// NewVisitor makes one.
func NewVisitor(s *Site) *Visitor {
	return &Visitor{Site: s, lines: map[string]*line{}}
}

// Reply is an answer that has been read.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Want is an answer of this status, or an error that says what came.
func (r Reply) Want(status int, what string) error {
	if r.Status == status {
		return nil
	}
	return fmt.Errorf("%s is answered with %d, want %d: %.400s", what, r.Status, status, r.Body)
}

// ask sends a form as an app.
func (v *Visitor) ask(ctx context.Context, target string, as App, form url.Values) (Reply, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return Reply{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(as.ID, as.Secret)
	got, err := v.Send(r)
	if err == nil {
		err = got.Want(http.StatusOK, r.URL.Path)
	}
	return got, err
}

// tokens asks the token endpoint.
func (v *Visitor) tokens(ctx context.Context, as App, form url.Values) (out Tokens, err error) {
	got, err := v.ask(ctx, v.Site.Token, as, form)
	if err == nil {
		err = json.Unmarshal(got.Body, &out)
	}
	if err == nil && out.Access == "" {
		err = errors.New("there is no token")
	}
	return out, err
}

// Tokens is a token response.
type Tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
}

// APIToken asks for a token of an app's own.
func (v *Visitor) APIToken(ctx context.Context, as App) (string, error) {
	said, err := v.tokens(ctx, as, url.Values{"grant_type": {"client_credentials"}})
	return said.Access, err
}

// Active is what introspection says of a token. The answers of all sites begin
// alike, so that nobody has to decode the whole of them.
func (v *Visitor) Active(ctx context.Context, token string) (bool, error) {
	got, err := v.ask(ctx, v.Site.Introspection, v.Site.Asker, url.Values{"token": {token}})
	switch {
	case err != nil:
		return false, err
	case bytes.HasPrefix(got.Body, []byte(`{"active":true,`)) && (!v.Site.SID || bytes.Contains(got.Body, []byte(`"sid":"`))):
		return true, nil
	case string(bytes.TrimSpace(got.Body)) == `{"active":false}`:
		return false, nil
	}
	return false, fmt.Errorf("introspection says %.400s", got.Body)
}

// Refresh uses a refresh token, which is another one each time.
func (v *Visitor) Refresh(ctx context.Context, t Tokens) (Tokens, error) {
	next, err := v.tokens(ctx, v.Site.App, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}})
	if err == nil && (next.Refresh == "" || next.Refresh == t.Refresh) {
		err = errors.New("the refresh token was not exchanged")
	}
	return next, err
}
