package credentials

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valetkey/valetkey/scopes"
)

// Minter is the owner's side of lending.
type Minter struct {
	Store     Store
	Hasher    *Hasher
	Catalogue *scopes.Catalogue
	Policies  []Policy
}

// MintRequest is what an owner asks for.
type MintRequest struct {
	Account      Account
	Owner        Owner
	Policy       string
	Scopes       []string      // none: the viewing ones
	RedeemWithin time.Duration // 0: the policy's default
	Ticket       string
	Limited      bool     // whether what this person may lend is limited
	May          []string // patterns; what they may lend at most when Limited
	Idempotency  *Idempotency
	By           Mark
}

// Minted is a credential with its secret, which nothing gives a second time.
type Minted struct {
	Credential
	Secret   Secret
	Repeated bool // made by an earlier request; there is no secret
}

// Lengths of what people may write, in characters.
const (
	maxName   = 200
	maxTicket = 100
	maxID     = 200
)

// maxMintAttempts bounds how often a mint draws again: for digits that are
// live already, or an account that was made at the same instant.
const maxMintAttempts = 20

// Policy finds a policy by its id.
func (m *Minter) Policy(id string) (Policy, bool) {
	i := slices.IndexFunc(m.Policies, func(p Policy) bool { return p.ID == id })
	if i < 0 {
		return Policy{}, false
	}
	return m.Policies[i], true
}

// PolicyName is a policy's name, or the id of one that is configured no more.
func (m *Minter) PolicyName(id string) string {
	if policy, is := m.Policy(id); is {
		return policy.Name
	}
	return id
}

// Mint makes a credential. What the rules do not allow is a *Refused; see also
// ErrHandleTaken, ErrOtherOwner, ErrKeyReused.
func (m *Minter) Mint(ctx context.Context, r MintRequest) (Minted, error) {
	for _, shown := range []*string{&r.Account.Name, &r.Account.Handle, &r.Owner.Name, &r.Owner.Email, &r.Ticket} {
		if utf8.ValidString(*shown) { // anything else is refused as it is
			*shown = AsWritten(*shown)
		}
	}
	policy, lent, err := m.judge(r)
	if err != nil {
		return Minted{}, err
	}
	within := r.RedeemWithin
	if within == 0 {
		within = policy.RedeemDefault
	}
	c := Credential{
		ID: NewID(), Account: r.Account.ID, Policy: policy.ID, Kind: policy.Kind, Holder: policy.Holder,
		State: Live, Scopes: lent, Ticket: strings.TrimSpace(r.Ticket), Minter: r.Owner,
		RedeemWithin: within, Session: policy.Session, Idle: policy.Idle,
		Uses: policy.Uses, UsesLeft: policy.Uses,
	}
	if policy.ContactBound {
		c.Contact, c.ContactKey = r.Owner.Name, r.Owner.Key()
	}
	store := Minting{Account: r.Account, Credential: c, Idempotency: r.Idempotency, By: r.By}
	if policy.Kind == Password {
		return m.mintPassword(ctx, store, policy)
	}
	store.Credential.Digits, store.Credential.Tries = policy.Digits, policy.Tries
	return m.mintPIN(ctx, store)
}

// judge decides whether this person may mint this at all.
func (m *Minter) judge(r MintRequest) (Policy, []string, error) {
	policy, ok := m.Policy(r.Policy)
	if !ok {
		return policy, nil, &Refused{Field: "policy", Reason: "there is no such policy"}
	}
	for _, text := range []struct {
		field, value string
		required     bool
		most         int
	}{
		{"account", r.Account.ID, true, maxID},
		{"account_name", r.Account.Name, true, maxName},
		{"handle", r.Account.Handle, true, maxName},
		{"handle", FoldHandle(r.Account.Handle), true, maxName}, // of hyphens alone it would be nothing
		{"owner.sub", r.Owner.Subject, true, maxID},
		{"owner.name", r.Owner.Name, policy.ContactBound, maxName},
		{"owner.email", r.Owner.Email, false, maxName},
		{"ticket", r.Ticket, false, maxTicket},
	} {
		if err := checkText(text.field, text.value, text.required, text.most); err != nil {
			return policy, nil, err
		}
	}
	if !policy.MayMint(r.Owner.Claims) {
		return policy, nil, &Refused{Who: true, Field: "owner", Reason: "this person may not mint by this policy: " + whoMay(policy.Mint)}
	}
	if r.RedeemWithin != 0 && !slices.Contains(policy.RedeemWithin, r.RedeemWithin) {
		return policy, nil, &Refused{Field: "redeem_within", Reason: "choose one of " + spans(policy.RedeemWithin)}
	}
	lent, refused := m.Catalogue.Lend(r.Scopes, policy.Scopes, r.May, r.Limited)
	for _, name := range r.Scopes {
		if why, is := refused[name]; is {
			return policy, nil, &Refused{Who: why == scopes.NotAllowed, Field: "scopes", Reason: fmt.Sprintf("%s %s", quoted(name), why)}
		}
	}
	if len(lent) == 0 {
		return policy, nil, lendsNothing(r)
	}
	return policy, lent, nil
}

func lendsNothing(r MintRequest) error {
	if r.Limited {
		return &Refused{Who: true, Field: "owner", Reason: "this person may lend none of the policy's scopes"}
	}
	return &Refused{Field: "scopes", Reason: "the policy has no viewing scope to lend by itself; name the scopes"}
}

// quoted shows a scope's name in an error unless it is no scope-token: what
// was posted in a wrong place is not echoed.
func quoted(name string) string {
	if !scopes.Token(name) || len(name) > 100 {
		return "one of them"
	}
	return `"` + name + `"`
}

func whoMay(rules []ClaimRule) string {
	parts := make([]string, 0, len(rules))
	for _, rule := range rules {
		parts = append(parts, fmt.Sprintf("%s must be one of %s", rule.Claim, strings.Join(rule.Values, ", ")))
	}
	return strings.Join(parts, " and ")
}

func checkText(field, value string, required bool, most int) error {
	switch {
	case required && strings.TrimSpace(value) == "":
		return &Refused{Field: field, Reason: "is required"}
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &Refused{Field: field, Reason: "has control characters or is not UTF-8"}
	case utf8.RuneCountInString(value) > most:
		return &Refused{Field: field, Reason: fmt.Sprintf("is longer than %d characters", most)}
	}
	return nil
}

func (m *Minter) mintPassword(ctx context.Context, store Minting, policy Policy) (Minted, error) {
	secret := newPassword()
	store.Credential.Email = newEmail(policy.EmailDomain)
	store.Verifier = m.Hasher.Password(store.Credential.ID, secret)
	c, repeated, err := m.Store.Mint(ctx, store)
	return minted(c, secret, repeated, err)
}

// mintPIN draws until the digits are no live PIN's of the account: a new PIN
// differs from the one it replaces, and a PIN never answers for another.
func (m *Minter) mintPIN(ctx context.Context, store Minting) (Minted, error) {
	leave, err := m.Hasher.Enter(store.Credential.Minter.Key())
	if err != nil {
		return Minted{}, err
	}
	defer leave()
	for range maxMintAttempts {
		salt, err := m.Store.Salt(ctx, store.Account.ID)
		if err != nil {
			return Minted{}, err
		}
		if salt == nil {
			salt = make([]byte, 16)
			_, _ = rand.Read(salt) // crypto/rand.Read never returns an error
		}
		secret := newPIN(store.Credential.Digits)
		store.Salt = salt
		if store.Verifier, err = m.Hasher.PIN(ctx, store.Account.ID, salt, secret); err != nil {
			return Minted{}, err
		}
		c, repeated, err := m.Store.Mint(ctx, store)
		if !errors.Is(err, ErrSamePIN) && !errors.Is(err, ErrSaltChanged) {
			return minted(c, secret, repeated, err)
		}
	}
	return Minted{}, ErrBusy
}

func minted(c Credential, secret Secret, repeated bool, err error) (Minted, error) {
	if err != nil {
		return Minted{}, err
	}
	if repeated {
		secret = Secret{}
	}
	return Minted{Credential: c, Secret: secret, Repeated: repeated}, nil
}

// Revoke kills one credential of the account, or all of them when id is empty,
// and ends their sessions. It returns once that is durable.
func (m *Minter) Revoke(ctx context.Context, account, id string, by Mark) error {
	return m.Store.Revoke(ctx, account, id, by)
}
