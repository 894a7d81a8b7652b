package guard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// maxCookie is what browsers keep of a cookie, in bytes of name and value (RFC
// 6265 section 6.1). A longer one is dropped without a word.
const maxCookie = 4096

// errSealed says that a cookie cannot be opened: it was changed, cut, made
// under another name or with another key. No more is told.
var errSealed = errors.New("the cookie cannot be opened")

// cookies writes and reads the cookies of a Login. Each is sealed with
// AES-256-GCM: what it holds can be neither read nor changed in the browser.
type cookies struct {
	aeads    []cipher.AEAD // the first one seals, all of them open
	insecure bool          // a loopback http app: no Secure, no prefix
	tag      string        // ends each name, and sets it apart from those of other apps of the host
}

// tagOf is the tag of an app's cookies. Cookies know no port, and with the prefix
// no path: apps of one host would take each other's for their own, or for spoilt.
func tagOf(clientID, redirectURI string) string {
	sum := sha256.Sum256([]byte(clientID + "\x00" + redirectURI))
	return "-" + hex.EncodeToString(sum[:4])
}

// newCookies takes the app's keys, the newest one first.
func newCookies(keys [][]byte, insecure bool, tag string) (*cookies, error) {
	if len(keys) == 0 {
		return nil, errors.New("guard: Login needs a key of at least 32 random bytes in Keys")
	}
	c := &cookies{insecure: insecure, tag: tag}
	for _, key := range keys {
		if len(key) < 32 {
			return nil, fmt.Errorf("guard: a key in Keys has %d bytes; make it of at least 32 random ones", len(key))
		}
		// The app may use the same key for cookies of its own.
		derived, err := hkdf.Key(sha256.New, key, nil, "valetkey/guard/cookie", 32)
		if err != nil {
			return nil, fmt.Errorf("guard: a key in Keys: %w", err)
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, fmt.Errorf("guard: a key in Keys: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("guard: a key in Keys: %w", err)
		}
		c.aeads = append(c.aeads, aead)
	}
	return c, nil
}

// untagged are the cookies as they were called before names had a tag.
func (c *cookies) untagged() *cookies { return &cookies{aeads: c.aeads, insecure: c.insecure} }

// name is a cookie's whole name. With the prefix no other host, and no page
// without TLS, can set it.
func (c *cookies) name(name string) string { return c.prefix() + name + c.tag }

func (c *cookies) prefix() string {
	if c.insecure {
		return "valetkey-"
	}
	return "__Host-valetkey-"
}

// short is what name was given; false where the whole name is not one of these
// cookies.
func (c *cookies) short(whole string) (name string, ok bool) {
	name, begins := strings.CutPrefix(whole, c.prefix())
	name, ends := strings.CutSuffix(name, c.tag)
	return name, begins && ends
}

// bound is a cookie's associated data: what it is for and the name it has. One
// that is moved to another name does not open.
func (c *cookies) bound(purpose, name string) []byte {
	return []byte("valetkey/guard\x00" + purpose + "\x00" + c.name(name))
}

// seal returns the value of a cookie, or an error where a browser would drop
// it.
func (c *cookies) seal(purpose, name string, plain []byte) (string, error) {
	value := base64.RawURLEncoding.EncodeToString(c.aeads[0].Seal(nil, nil, plain, c.bound(purpose, name)))
	if n := len(c.name(name)) + len(value); n > maxCookie {
		return "", fmt.Errorf("the cookie %s would have %d bytes, and browsers keep %d", c.name(name), n, maxCookie)
	}
	return value, nil
}

// open opens what seal made for the same purpose and name.
func (c *cookies) open(purpose, name, value string) ([]byte, error) {
	if len(value) > maxCookie || strings.ContainsAny(value, "\r\n") { // which the decoder would pass over
		return nil, errSealed
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, errSealed
	}
	for _, aead := range c.aeads {
		if plain, err := aead.Open(nil, nil, sealed, c.bound(purpose, name)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

// get returns the values of the cookies of a name. A browser sends one; who
// sends several is not asked which is meant.
func (c *cookies) get(r *http.Request, name string) (string, bool) {
	switch found := r.CookiesNamed(c.name(name)); len(found) {
	case 0:
		return "", false
	case 1:
		return found[0].Value, true
	default:
		return "", true
	}
}

// set gives a cookie to the browser; a life of zero lasts until it is closed, a
// negative one takes the cookie away.
func (c *cookies) set(w http.ResponseWriter, name, value string, life time.Duration) {
	age := int(life / time.Second)
	if life < 0 {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: age,
		Secure: !c.insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
