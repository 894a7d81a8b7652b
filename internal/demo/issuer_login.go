package demo

import (
	"net/http"
	"time"
)

// login is that somebody has pressed their name in a browser.
type login struct {
	person Person
	at     time.Time
}

// SignIn signs a person in in this browser, for every client of the issuer. It
// reports whether there is such a person.
func (i *Issuer) SignIn(w http.ResponseWriter, r *http.Request, id string) bool {
	_, ok := i.enter(w, r, id)
	return ok
}

func (i *Issuer) enter(w http.ResponseWriter, r *http.Request, id string) (login, bool) {
	person, ok := personOf(i.People, id)
	if !ok {
		return login{}, false
	}
	i.forget(r)
	now := login{person, i.Now()}
	http.SetCookie(w, &http.Cookie{Name: i.Cookie, Value: i.logins.put(now, loginLife), Path: "/", //nolint:gosec // loopback has no TLS
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return now, true
}

// SignOut signs whoever it is out of this browser.
func (i *Issuer) SignOut(w http.ResponseWriter, r *http.Request) {
	i.forget(r)
	http.SetCookie(w, &http.Cookie{Name: i.Cookie, Path: "/", MaxAge: -1, //nolint:gosec // loopback has no TLS
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (i *Issuer) forget(r *http.Request) {
	if cookie, err := r.Cookie(i.Cookie); err == nil {
		i.logins.take(cookie.Value)
	}
}

// Person is who is signed in in this browser.
func (i *Issuer) Person(r *http.Request) (Person, bool) {
	l, ok := i.login(r)
	return l.person, ok
}

func (i *Issuer) login(r *http.Request) (login, bool) {
	cookie, err := r.Cookie(i.Cookie)
	if err != nil {
		return login{}, false
	}
	return i.logins.get(cookie.Value)
}
