package guard

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the banner and its style
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Banner is the bar that stands on every page of a support session: whose account
// it is, who acts, what was lent, how long it lasts, and the button that ends it.
// It cannot be closed; a click makes it small. It works without JavaScript and
// under a strict Content-Security-Policy.
type Banner struct {
	// Labels are what scopes let people do, such as "View documents"; default: the
	// scopes' names.
	Labels map[string]string
	// EndPath is where the button posts to: [Login.End]. Empty: no button.
	EndPath string
	// StylePath is where the app serves [BannerStyle]. The fragment links it, with
	// its hash: style-src 'self' is enough.
	StylePath string
	// Nonce is that of the page's Content-Security-Policy. With it the style stands
	// in the fragment, and StylePath is not needed.
	Nonce string
	// Small is a banner that is small at first.
	Small bool
}

//go:embed banner.html
var bannerSource string

//go:embed banner.css
var bannerStyle string

var (
	bannerTemplate  = template.Must(template.New("").Parse(bannerSource))
	bannerHash      = func() string { sum := sha256.Sum256([]byte(bannerStyle)); return hex.EncodeToString(sum[:]) }()
	bannerIntegrity = "sha256-" + sha256Base64(bannerStyle)
)

// BannerStyle serves the banner's stylesheet. Its content changes with guard's
// version only.
func BannerStyle(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("ETag", `"`+bannerHash[:16]+`"`)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(bannerStyle))
}

// HTML is the banner of the request's support session; nothing for a request of
// the app's own login. It belongs first into body.
func (b Banner) HTML(r *http.Request) template.HTML {
	s, ok := SessionFrom(r.Context())
	if !ok {
		return ""
	}
	return b.of(s, time.Now())
}

// Banner is the banner of this login's support sessions; nothing for a request of
// the app's own login. It belongs first into body.
func (l *Login) Banner(r *http.Request) template.HTML {
	s, ok := SessionFrom(r.Context())
	if !ok {
		return ""
	}
	return Banner{Labels: l.cfg.Labels, EndPath: l.cfg.EndPath, StylePath: l.style}.of(s, l.guard.wall())
}

// of renders the banner of a session. Everything in it is somebody else's words:
// an agent chooses their name, a customer theirs.
func (b Banner) of(s *Session, now time.Time) template.HTML {
	agent := legible(s.Agent.Name)
	switch {
	case agent == "" && s.Agent.Subject != "":
		agent = legible(s.Agent.Subject)
	case agent == "":
		agent = "Whoever has the temporary login"
	}
	account := legible(s.Account.Name)
	if account == "" {
		account = legible(s.Account.ID)
	}
	var out bytes.Buffer
	if err := bannerTemplate.ExecuteTemplate(&out, "banner", map[string]any{
		"Account": account, "Agent": agent, "Contact": legible(s.Contact), "Can": b.can(s.Scopes), "Left": left(s.EndsAt.Sub(now)),
		"End": b.EndPath, "Small": b.Small, "Nonce": b.Nonce, "Inline": template.CSS(bannerStyle), //nolint:gosec // our own file
		"Style": b.StylePath, "Integrity": bannerIntegrity,
	}); err != nil {
		return template.HTML(`<section class="valetkey-banner" aria-label="Support mode">Support mode</section>`)
	}
	return template.HTML(out.String()) //nolint:gosec // html/template has escaped it
}

// protocol are the scopes of OpenID Connect itself, which open nothing here.
var protocol = map[string]bool{"openid": true, "profile": true, "email": true, "phone": true, "address": true, "offline_access": true}

// can is what the scopes let an agent do, in words.
func (b Banner) can(scopes []string) (out []string) {
	for _, scope := range scopes {
		label := b.Labels[scope]
		if label == "" {
			label = scope
		}
		if !protocol[scope] {
			out = append(out, legible(label))
		}
	}
	return out
}

// left writes how long a session still lasts, in whole minutes and never more
// than there are.
func left(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case minutes < 1:
		return "less than a minute left"
	case minutes == 1:
		return "1 minute left"
	case minutes < 120:
		return fmt.Sprintf("%d minutes left", minutes)
	default:
		return fmt.Sprintf("%d hours left", minutes/60)
	}
}

// maxName is how much of a name is shown, in characters.
const maxName = 80

// legible is a name as it is shown: without what cannot be seen or turns text
// around (a name must not be able to look like another word of the banner), and
// not longer than fits.
func legible(name string) string {
	name = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case unicode.IsControl(c), unicode.Is(unicode.Cf, c), unicode.Is(unicode.Co, c), c == unicode.ReplacementChar:
			return -1
		}
		return c
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxName {
		return strings.TrimSpace(string(runes[:maxName-1])) + "…"
	}
	return name
}
