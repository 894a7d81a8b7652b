package credentials

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/scopes"
)

// minting keeps what it was asked to store.
type minting struct {
	Store
	got Minting
}

func (s *minting) Salt(context.Context, string) ([]byte, error) { return nil, nil }

func (s *minting) Mint(_ context.Context, m Minting) (Credential, bool, error) {
	s.got = m
	return m.Credential, m.Idempotency != nil, nil
}

func testMinter(t *testing.T, store Store) *Minter {
	t.Helper()
	catalogue, err := scopes.NewCatalogue([]scopes.Scope{
		{Name: "read", Kind: scopes.View}, {Name: "write", Kind: scopes.Change}, {Name: "other", Kind: scopes.View},
		{Name: "pay", Kind: scopes.Billing}, {Name: "a.export", Kind: scopes.View},
	}, []string{"*.export"})
	if err != nil {
		t.Fatal(err)
	}
	pin := Policy{
		ID: "pin", Kind: PIN, Mint: []ClaimRule{{"role", []string{"owner", "admin"}}}, Digits: 6, Tries: 5, Uses: 1,
		RedeemWithin: []time.Duration{time.Hour, 4 * time.Hour}, RedeemDefault: 4 * time.Hour, Session: time.Hour, Idle: time.Minute,
		Scopes: []string{"read", "write"},
	}
	bound, login, changes := pin, pin, pin
	bound.ID, bound.ContactBound = "bound", true
	login.ID, login.Kind, login.Uses, login.EmailDomain, login.Mint = "login", Password, 0, "x.example", nil
	changes.ID, changes.Scopes = "changes", []string{"write"}
	return &Minter{Store: store, Hasher: NewHasher(nil), Catalogue: catalogue, Policies: []Policy{pin, bound, login, changes}}
}

func testRequest() MintRequest {
	return MintRequest{
		Account: Account{ID: "acme", Connector: "customers", Name: "Acme", Handle: "A 1"}, Policy: "pin",
		Owner: Owner{Issuer: "iss", Subject: "olivia", Name: "Olivia", Claims: map[string][]string{"role": {"admin"}}},
	}
}

func TestMintIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*MintRequest)
		field  string // empty: it is not refused
		who    bool
	}{
		"as it is":                   {func(*MintRequest) {}, "", false},
		"no such policy":             {func(r *MintRequest) { r.Policy = "none" }, "policy", false},
		"no account":                 {func(r *MintRequest) { r.Account.ID = " " }, "account", false},
		"no account name":            {func(r *MintRequest) { r.Account.Name = "" }, "account_name", false},
		"a handle of spaces":         {func(r *MintRequest) { r.Account.Handle = " \t " }, "handle", false},
		"a handle of hyphens":        {func(r *MintRequest) { r.Account.Handle = "- -\u2013" }, "handle", false},
		"a long handle":              {func(r *MintRequest) { r.Account.Handle = strings.Repeat("x", 201) }, "handle", false},
		"200 letters":                {func(r *MintRequest) { r.Account.Name = strings.Repeat("é", 200) }, "", false},
		"a line break":               {func(r *MintRequest) { r.Account.Name = "a\nb" }, "account_name", false},
		"no UTF-8":                   {func(r *MintRequest) { r.Owner.Email = "\xff" }, "owner.email", false},
		"no subject":                 {func(r *MintRequest) { r.Owner.Subject = "" }, "owner.sub", false},
		"no contact's name":          {func(r *MintRequest) { r.Policy, r.Owner.Name = "bound", "" }, "owner.name", false},
		"no name, not bound":         {func(r *MintRequest) { r.Owner.Name = "" }, "", false},
		"a long ticket":              {func(r *MintRequest) { r.Ticket = strings.Repeat("x", 101) }, "ticket", false},
		"not an admin":               {func(r *MintRequest) { r.Owner.Claims = map[string][]string{"role": {"user"}} }, "owner", true},
		"no claims given":            {func(r *MintRequest) { r.Owner.Claims = nil }, "owner", true},
		"no claims asked":            {func(r *MintRequest) { r.Policy, r.Owner.Claims = "login", nil }, "", false},
		"a choice":                   {func(r *MintRequest) { r.RedeemWithin = time.Hour }, "", false},
		"no choice":                  {func(r *MintRequest) { r.RedeemWithin = 2 * time.Hour }, "redeem_within", false},
		"negative":                   {func(r *MintRequest) { r.RedeemWithin = -time.Hour }, "redeem_within", false},
		"never lent":                 {func(r *MintRequest) { r.Scopes = []string{"read", "pay"} }, "scopes", false},
		"taken out":                  {func(r *MintRequest) { r.Scopes = []string{"a.export"} }, "scopes", false},
		"not catalogued":             {func(r *MintRequest) { r.Scopes = []string{"nothing"} }, "scopes", false},
		"not the policy's":           {func(r *MintRequest) { r.Scopes = []string{"other"} }, "scopes", false},
		"beyond the person":          {func(r *MintRequest) { r.Scopes, r.Limited, r.May = []string{"write"}, true, []string{"read"} }, "scopes", true},
		"a person who lends nothing": {func(r *MintRequest) { r.Limited = true }, "owner", true},
		"nothing to lend by itself":  {func(r *MintRequest) { r.Policy = "changes" }, "scopes", false},
	} {
		r := testRequest()
		tc.change(&r)
		_, err := testMinter(t, &minting{}).Mint(t.Context(), r)
		var refused *Refused
		errors.As(err, &refused)
		switch {
		case tc.field == "" && err != nil, tc.field != "" && refused == nil:
			t.Errorf("%s: %v", name, err)
		case refused != nil && (refused.Field != tc.field || refused.Who != tc.who):
			t.Errorf("%s: %q, who %v", name, refused, refused.Who)
		}
	}
}

// TestRefusalDoesNotEcho: a secret that was posted in a wrong place is not
// shown in the error.
func TestRefusalDoesNotEcho(t *testing.T) {
	t.Parallel()
	const secret = "pass word 483920"
	for name, change := range map[string]func(*MintRequest){
		"policy": func(r *MintRequest) { r.Policy = secret }, "scope": func(r *MintRequest) { r.Scopes = []string{secret} },
		"ticket": func(r *MintRequest) { r.Ticket = secret + "\n" }, "account": func(r *MintRequest) { r.Account.ID = secret + "\x00" },
		"handle": func(r *MintRequest) { r.Account.Handle = secret + strings.Repeat("x", 200) },
	} {
		r := testRequest()
		change(&r)
		if _, err := testMinter(t, &minting{}).Mint(t.Context(), r); err == nil || strings.Contains(err.Error(), "483920") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMintStores(t *testing.T) {
	t.Parallel()
	store := &minting{}
	m := testMinter(t, store)
	r := testRequest()
	r.Ticket = " T-1 "
	pin, err := m.Mint(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c := store.got.Credential
	if c.State != Live || c.Digits != 6 || c.Tries != 5 || c.Uses != 1 || c.UsesLeft != 1 || c.RedeemWithin != 4*time.Hour || c.Ticket != "T-1" ||
		c.ContactKey != "" || !slices.Equal(c.Scopes, []string{"read"}) || len(store.got.Salt) != 16 {
		t.Errorf("a PIN is stored as %+v", store.got)
	}
	want, err := m.Hasher.PIN(t.Context(), "acme", store.got.Salt, pin.Secret)
	if err != nil || !slices.Equal(want, store.got.Verifier) || len(pin.Secret.Reveal()) != 6 {
		t.Errorf("the verifier is not that of the PIN: %v", err)
	}
	r.Policy, r.Scopes = "bound", []string{"write", "write"}
	if _, err = m.Mint(t.Context(), r); err != nil || store.got.Credential.Contact != "Olivia" || store.got.Credential.ContactKey != r.Owner.Key() ||
		!slices.Equal(store.got.Credential.Scopes, []string{"write"}) {
		t.Errorf("a bound PIN is stored as %+v, %v", store.got.Credential, err)
	}
	r.Policy = "login"
	login, err := m.Mint(t.Context(), r)
	if err != nil || store.got.Credential.Digits != 0 || store.got.Salt != nil || login.Email == "" ||
		!slices.Equal(store.got.Verifier, m.Hasher.Password(login.ID, login.Secret)) {
		t.Errorf("a login is stored as %+v, %v", store.got, err)
	}
	for _, policy := range []string{"pin", "login"} {
		r.Policy, r.Idempotency = policy, &Idempotency{}
		if again, err := m.Mint(t.Context(), r); err != nil || !again.Repeated || again.Secret.Reveal() != "" {
			t.Errorf("%s, repeated: %v with a secret of %d, %v", policy, again.Repeated, len(again.Secret.Reveal()), err)
		}
	}
}

// TestMintKeepsWhatIsSeen: an account's number is read out on the phone, and a
// name tells people whose account it is; neither is turned around by what is not
// seen, and nobody is locked out because their name comes with it.
func TestMintKeepsWhatIsSeen(t *testing.T) {
	t.Parallel()
	store := &minting{}
	r := testRequest()
	r.Policy, r.Ticket = "bound", "\u20674711\u2069"
	r.Account.Name, r.Account.Handle, r.Owner.Name, r.Owner.Email = "\u200fאקמי\u200f", "\u202e1002\u202c", "Oli\u009bvia\u2066", "o\u202e@x.example"
	if _, err := testMinter(t, store).Mint(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	a, c := store.got.Account, store.got.Credential
	if a.ID != "acme" || a.Name != "אקמי" || a.Handle != "1002" || c.Minter.Name != "Olivia" || c.Contact != "Olivia" || c.Minter.Email != "o@x.example" || c.Ticket != "4711" {
		t.Errorf("stored are %+q, %q of %q with %q", a, c.Contact, c.Minter.Name, c.Ticket)
	}
	r.Account.Handle = "\u202e\u202c"
	if _, err := testMinter(t, store).Mint(t.Context(), r); err == nil {
		t.Error("a handle of nothing that is seen is taken")
	}
}
