package connectors

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/valetkey/valetkey/credentials"
)

// Person signs in with a password that is kept, hashed, in the configuration.
type Person struct {
	Username, Name, Email string
	Claims                map[string][]string
	PasswordHash          string // argon2id, PHC form
	TOTP                  string // base32 secret of an authenticator app; empty: none
}

// Local is a connector of local people.
type Local struct {
	ID, Name string
	Issuer   string // the broker's: local people are its own
	People   []Person
	Allow    []credentials.ClaimRule
	MaxAge   time.Duration // how old a sign-in may be when a credential is redeemed
	Hasher   *credentials.Hasher
	Tries    *Tries
	OTP      interface {
		UseOTP(ctx context.Context, person string, step int64) (first bool, err error)
	}
	Now func() time.Time
}

// What a sign-in of local people can fail with.
var (
	// ErrNoSignIn covers an unknown name, a wrong password or code, and a code
	// that was used before.
	ErrNoSignIn = errors.New("name, password or code is wrong")
	// ErrTooMany says that the name or the address has failed too often.
	ErrTooMany = errors.New("too many failed sign-ins")
	// ErrNotAllowed says that the person may not sign in here at all.
	ErrNotAllowed = errors.New("this person may not sign in here")
)

// maxUsername bounds what is counted in memory, in bytes.
const maxUsername = 200

// find returns the person of a username.
func (l *Local) find(username string) (Person, bool) {
	for _, p := range l.People {
		if subtle.ConstantTimeCompare([]byte(p.Username), []byte(username)) == 1 {
			return p, true
		}
	}
	return Person{}, false
}

// Knows reports whether an agent who signed in before is still one of the
// connector's people, and allowed.
func (l *Local) Knows(a credentials.Agent) bool {
	for _, p := range l.People {
		if l.subject(p) == a.Subject {
			return credentials.Allowed(l.Allow, p.Claims)
		}
	}
	return false
}

func (l *Local) subject(p Person) string { return l.ID + ":" + p.Username }

// decoy is what an unknown name is hashed against: a hash of the same cost as
// the people's own, so that the time does not tell which names there are.
func (l *Local) decoy() string {
	if len(l.People) == 0 {
		return nobody
	}
	return l.People[0].PasswordHash
}

// Password checks username and password. needsCode says that a one-time code
// must follow before the person is signed in. An unknown name costs the same
// hash as a known one.
func (l *Local) Password(ctx context.Context, address, username, password string) (person Person, needsCode bool, err error) {
	if len(username) > maxUsername {
		return Person{}, false, ErrNoSignIn
	}
	if !l.Tries.Take(address, l.ID+"/"+username) {
		return Person{}, false, ErrTooMany
	}
	p, known := l.find(username)
	hash := p.PasswordHash
	if !known {
		hash = l.decoy()
	}
	right, err := verifyPHC(ctx, l.Hasher, hash, password)
	if err == nil && (!right || !known) {
		return Person{}, false, ErrNoSignIn
	}
	l.Tries.GiveBack(address, l.ID+"/"+username)
	if err != nil {
		return Person{}, false, err
	}
	if !credentials.Allowed(l.Allow, p.Claims) {
		return Person{}, false, ErrNotAllowed
	}
	return p, p.TOTP != "", nil
}

// Steps of a one-time code (RFC 6238): 30 seconds each, one to either side.
const (
	otpStep = 30
	otpSkew = 1
)

// Code checks the one-time code of somebody whose password was right. Each code
// is good once.
func (l *Local) Code(ctx context.Context, address, username, code string) (Person, error) {
	if !l.Tries.Take(address, l.ID+"/"+username) {
		return Person{}, ErrTooMany
	}
	p, known := l.find(username)
	if known && p.TOTP != "" {
		now := l.Now()
		for skew := -otpSkew; skew <= otpSkew; skew++ {
			at := now.Add(time.Duration(skew*otpStep) * time.Second)
			want, err := totp.GenerateCode(p.TOTP, at)
			if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(credentials.FoldPIN(code))) != 1 {
				continue
			}
			first, err := l.OTP.UseOTP(ctx, l.subject(p), at.Unix()/otpStep)
			if err != nil || first {
				l.Tries.GiveBack(address, l.ID+"/"+username)
				return p, err
			}
		}
	}
	return Person{}, ErrNoSignIn
}

// Agent is the person as an agent who has just given their proof.
func (l *Local) Agent(p Person) credentials.Agent {
	amr := []string{"pwd"} // RFC 8176
	if p.TOTP != "" {
		amr = []string{"pwd", "otp", "mfa"}
	}
	name := p.Name
	if name == "" {
		name = p.Username
	}
	return credentials.Agent{Issuer: l.Issuer, Subject: l.subject(p), Name: name, Email: p.Email,
		Connector: l.ID, AuthTime: l.Now(), AMR: amr}
}
