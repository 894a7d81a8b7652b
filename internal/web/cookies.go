package web

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
)

// Cookies writes and reads the broker's cookies. Over https they have the
// __Host- prefix: no other host, and no page without TLS, can set one.
type Cookies struct {
	Sealer   *keys.Sealer
	Insecure bool // a loopback http issuer: no Secure, no prefix
}

// browserName is the cookie that tells browsers apart. It is no sign-in: it
// binds what was begun in a browser to it.
const browserName = "browser"

func (c *Cookies) name(name string) string {
	if c.Insecure {
		return "valetkey-" + name
	}
	return "__Host-valetkey-" + name
}

func (c *Cookies) set(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: !c.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// browserLength is the length of a browser's secret as text: 128 bits.
const browserLength = 22

// BrowserOf returns the browser's secret, or nothing.
func (c *Cookies) BrowserOf(r *http.Request) string {
	cookie, err := r.Cookie(c.name(browserName))
	if err != nil || len(cookie.Value) != browserLength {
		return ""
	}
	return cookie.Value
}

// Browser returns the browser's secret, giving it one when it has none. It
// lasts until the browser is closed.
func (c *Cookies) Browser(w http.ResponseWriter, r *http.Request) string {
	if have := c.BrowserOf(r); have != "" {
		return have
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	id := base64.RawURLEncoding.EncodeToString(b[:])
	c.set(w, browserName, id, 0)
	return id
}

// Put seals v into a cookie of this browser. Each time it has another value.
func (c *Cookies) Put(w http.ResponseWriter, name, browser string, v any, life time.Duration) {
	c.set(w, name, c.Sealer.SealJSON(v, name+"/"+browser), life)
}

// Get opens a cookie that Put made for this browser.
func (c *Cookies) Get(r *http.Request, name, browser string, v any) bool {
	cookie, err := r.Cookie(c.name(name))
	return err == nil && browser != "" && c.Sealer.OpenJSON(cookie.Value, name+"/"+browser, v) == nil
}

// Drop removes a cookie.
func (c *Cookies) Drop(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Path: "/", MaxAge: -1, Secure: !c.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
