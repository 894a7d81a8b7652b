package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Visitor is one of those that work at the same time: an app and the people in
// front of it, with connections of its own.
type Visitor struct {
	Site  *Site
	lines []*line // one a host
	keys  keySet
	form  []byte // what is sent next
	turn  *turn  // while it takes turns with others

	busy bool        // while it is measured what it and others do
	owed []signature // that it verifies when it is not
}

// NewVisitor makes one.
func NewVisitor(s *Site) *Visitor { return &Visitor{Site: s} }

// line is the visitor's connection to this host.
func (v *Visitor) line(host string, now time.Time) (*line, error) {
	for _, l := range v.lines {
		if l.host == host && now.Sub(l.used) < idleLimit {
			return l, nil
		}
	}
	v.drop(host)
	l, err := dial(host, v.turn)
	if err == nil {
		v.lines = append(v.lines, l)
	}
	return l, err
}

func (v *Visitor) drop(host string) {
	v.lines = slices.DeleteFunc(v.lines, func(l *line) bool {
		if l.host == host {
			_ = l.conn.Close()
		}
		return l.host == host
	})
}

// Close lets go of its connections.
func (v *Visitor) Close() {
	for _, l := range v.lines {
		_ = l.conn.Close()
	}
	v.lines = nil
}

// Get asks for something that anybody may see.
func (v *Visitor) Get(ctx context.Context, url string) (Reply, error) {
	got, err := v.Send(ctx, Request{URL: url})
	if err == nil {
		err = got.Want(http.StatusOK, url)
	}
	return got, err
}

// ask sends a form as an app.
func (v *Visitor) ask(ctx context.Context, target string, as App, form ...string) (Reply, error) {
	v.form = pairs(v.form[:0], form...)
	got, err := v.Send(ctx, Request{Method: http.MethodPost, URL: target, Auth: as.basic(), Type: formType, Body: v.form})
	if err == nil {
		err = got.Want(http.StatusOK, target)
	}
	if err == nil {
		err = got.is("application/json", target)
	}
	return got, err
}

// tokens asks the token endpoint.
func (v *Visitor) tokens(ctx context.Context, as App, form ...string) (out Tokens, err error) {
	got, err := v.ask(ctx, v.Site.Token, as, form...)
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
	said, err := v.tokens(ctx, as, "grant_type", "client_credentials")
	return said.Access, err
}

// Active is what introspection says of a token. The answers of all sites begin
// alike, so that nobody has to decode the whole of them.
func (v *Visitor) Active(ctx context.Context, token string) (bool, error) {
	got, err := v.ask(ctx, v.Site.Introspection, v.Site.Asker, "token", token)
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
	next, err := v.tokens(ctx, v.Site.App, "grant_type", "refresh_token", "refresh_token", t.Refresh)
	if err == nil && (next.Refresh == "" || next.Refresh == t.Refresh) {
		err = errors.New("the refresh token was not exchanged")
	}
	return next, err
}
