package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/api"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/provider"
	"github.com/valetkey/valetkey/revocation"
)

// wireStatusLists tells apps of endings that follow them in no other way. The
// lists are signed by the key of the tokens that name them.
func (b *broker) wireStatusLists() *revocation.StatusLists {
	return &revocation.StatusLists{Issuer: b.cfg.Issuer, View: b.endings.View, Now: now, Clock: b.store.Clock, Past: b.store.Past, Logger: b.log,
		Sign: func(payload []byte) (string, error) {
			return b.provider.Ring.Sign(keys.ForAccess, "ES256", keys.TypStatusList, payload)
		}}
}

// wireSignals transmits security events. They are signed with RS256, because
// that is what the CAEP Interoperability Profile asks for.
func (b *broker) wireSignals() *revocation.SSF {
	s := &revocation.SSF{
		Issuer: b.cfg.Issuer, KeysURI: b.provider.KeysURI(), Store: b.store, View: b.endings.View, Receivers: map[string]revocation.Receiver{},
		Authenticate: b.receiver, Subject: b.subjectAt, Headers: b.secrets.Sealer("ssf authorization header"), Client: revocation.NewPushClient(), Logger: b.log,
		Sign: func(payload []byte) (string, error) {
			return b.provider.Ring.Sign(keys.ForID, "RS256", keys.TypEvent, payload)
		},
		Most: revocation.SSFMost, Keep: revocation.SSFKeep,
	}
	for _, c := range b.cfg.Clients {
		s.Receivers[c.ID] = revocation.Receiver{Audience: c.Audience, PushURIs: c.SSFPushURIs}
	}
	return s
}

// receiver is who asks about streams: by a token of the management API, which
// decides about it.
func (b *broker) receiver(r *http.Request) (client string, scopes []string, err error) {
	token, dpop, ok := api.Presented(r)
	if !ok {
		return "", nil, provider.ErrAPIToken
	}
	c, err := b.apiCaller(r, token, dpop)
	var holder *provider.HolderError
	switch {
	case errors.As(err, &holder):
		err = &revocation.Unproven{Text: holder.Text, Challenge: holder.Challenge, Nonce: holder.Nonce}
	case errors.Is(err, api.ErrUndecided):
		err = revocation.ErrUndecided
	}
	return c.Client, c.Scopes, err
}

func (b *broker) subjectAt(ctx context.Context, audience, sid string) (string, error) {
	s, err := b.store.Session(ctx, sid)
	if errors.Is(err, credentials.ErrNotFound) {
		return "", nil
	}
	return b.provider.SubjectAt(s, audience), err
}
