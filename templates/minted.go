package templates

import (
	"strings"
	"time"
)

// mintedView is Minted as the page draws it.
type mintedView struct {
	Minted
	Shown, Spelled string // the secret in groups; a PIN digit by digit, for who hears it
	Made, Ends     clock
	Valid, Left    int // seconds, of the whole time and of what is left
	Stay           string
}

func newMinted(m Minted, now time.Time) mintedView {
	v := mintedView{Minted: m, Shown: m.Secret, Made: newClock(m.MadeAt, now), Ends: newClock(m.RedeemBy, now),
		Valid: int(m.RedeemBy.Sub(m.MadeAt).Seconds()), Stay: span(m.longest())}
	v.Left = min(max(int(m.RedeemBy.Sub(now).Seconds()), 0), v.Valid)
	if m.Again {
		v.Shown = ""
	}
	if m.PIN && v.Shown != "" {
		groups := grouped(m.Secret)
		v.Shown = strings.Join(groups, " ")
		for i, g := range groups {
			groups[i] = strings.Join(strings.Split(g, ""), " ")
		}
		v.Spelled = strings.Join(groups, ", ")
	}
	return v
}

// longest is how long somebody can stay: nobody outlasts a temporary login.
func (m Minted) longest() time.Duration {
	if valid := m.RedeemBy.Sub(m.MadeAt); !m.PIN && valid < m.Session {
		return valid
	}
	return m.Session
}

// grouped cuts a PIN as people say it: in threes, and in pairs where a single
// digit would be left over. "4821" is "48 21", "1234567" is "123 45 67".
func grouped(pin string) []string {
	var out []string
	for len(pin) > 0 {
		n := 3
		if len(pin) == 2 || len(pin) == 4 {
			n = 2
		}
		n = min(n, len(pin))
		out, pin = append(out, pin[:n]), pin[n:]
	}
	return out
}
