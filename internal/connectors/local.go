package connectors

import (
	"cmp"
	"context"
	"crypto/subtle"
	"maps"
	"slices"
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

	// Account is what an owner owns; zero for agents. Name and Handle default
	// to the ID.
	Account credentials.Account
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

// About implements Connector.
func (l *Local) About() About { return About{l.ID, l.Name, l.MaxAge} }

// Still implements Connector. An owner must still have the same account and
// claims: what they may lend was judged by those.
func (l *Local) Still(p Proof) bool {
	for _, person := range l.People {
		if l.subject(person) != p.Subject || p.Issuer != l.Issuer {
			continue
		}
		account := l.account(person)
		return credentials.Allowed(l.Allow, person.Claims) && p.Account == account &&
			(account.ID == "" || maps.EqualFunc(p.Claims, person.Claims, slices.Equal))
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
	if !l.Tries.take(address, l.ID+"/"+username) {
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
	l.Tries.giveBack(address, l.ID+"/"+username)
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
	if !l.Tries.take(address, l.ID+"/"+username) {
		return Person{}, ErrTooMany
	}
	p, known := l.find(username)
	if !known || p.TOTP == "" {
		return Person{}, ErrNoSignIn
	}
	fresh, used := false, false
	now, typed := l.Now(), []byte(credentials.FoldPIN(code))
	for skew := -otpSkew; skew <= otpSkew; skew++ { // all of them: two steps may happen to have the same code
		at := now.Add(time.Duration(skew*otpStep) * time.Second)
		want, err := totp.GenerateCode(p.TOTP, at)
		if err != nil || subtle.ConstantTimeCompare([]byte(want), typed) != 1 {
			continue
		}
		first, err := l.OTP.UseOTP(ctx, l.subject(p), at.Unix()/otpStep)
		if err != nil {
			l.Tries.giveBack(address, l.ID+"/"+username)
			return Person{}, err
		}
		fresh, used = fresh || first, used || !first
	}
	if !fresh || used {
		return Person{}, ErrNoSignIn
	}
	l.Tries.giveBack(address, l.ID+"/"+username)
	return p, nil
}

// Proof is the person, who has just proved who they are.
func (l *Local) Proof(p Person) Proof {
	amr := []string{"pwd"} // RFC 8176
	if p.TOTP != "" {
		amr = []string{"pwd", "otp", "mfa"}
	}
	now := l.Now()
	return Proof{Connector: l.ID, Issuer: l.Issuer, Subject: l.subject(p), Name: cmp.Or(p.Name, p.Username), Email: p.Email,
		Claims: p.Claims, Account: l.account(p), AuthTime: now, ProvedAt: now, AMR: amr}
}

// account is the account of an owner, zero for an agent.
func (l *Local) account(p Person) credentials.Account {
	a := p.Account
	if a.ID == "" {
		return credentials.Account{}
	}
	return credentials.Account{ID: a.ID, Connector: l.ID, Name: cmp.Or(a.Name, a.ID), Handle: cmp.Or(a.Handle, a.ID)}
}
