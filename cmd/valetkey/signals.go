package main

import (
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/revocation"
)

// wireStatusLists tells apps of endings that follow them in no other way. The
// lists are signed by the key of the tokens that name them.
func (b *broker) wireStatusLists() *revocation.StatusLists {
	return &revocation.StatusLists{Issuer: b.cfg.Issuer, View: b.endings.View, Now: now, Logger: b.log,
		Sign: func(payload []byte) (string, error) {
			return b.provider.Ring.Sign(keys.ForAccess, "ES256", keys.TypStatusList, payload)
		}}
}
