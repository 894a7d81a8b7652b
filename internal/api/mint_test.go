package api_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMintPIN(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		r := w.want(w.call("settings", "POST", creds, mintBody("ticket", "4711")), 201)
		if pin := r.text("pin"); !regexp.MustCompile(`^\d{6}$`).MatchString(pin) {
			w.Errorf("pin is %q", pin)
		}
		if r.text("kind") != "pin" || r.text("state") != "live" || r.text("account_handle") != "ACME-1" || r.text("ticket") != "4711" ||
			r.body["uses"] != 1.0 || r.body["session_seconds"] != 1800.0 || r.body["email"] != nil || r.body["password"] != nil {
			w.Errorf("the reply is %s", r.Body)
		}
		made, err1 := time.Parse(time.RFC3339, r.text("made_at"))
		by, err2 := time.Parse(time.RFC3339, r.text("redeem_by"))
		if err1 != nil || err2 != nil || by.Sub(made) != 15*time.Minute || !strings.HasSuffix(r.text("made_at"), "Z") {
			w.Errorf("made_at %q, redeem_by %q", r.text("made_at"), r.text("redeem_by"))
		}
		got := w.want(w.call("settings", "GET", creds+"/"+r.text("id"), nil), 200)
		if strings.Contains(got.Body.String(), r.text("pin")) || got.body["tries_left"] != 5.0 || got.body["uses_left"] != 1.0 {
			w.Errorf("looked at later it is %s", got.Body)
		}
		if strings.Contains(w.log.String(), r.text("pin")) {
			w.Error("the PIN is in the log")
		}
	})
}

func TestMintTemporaryLogin(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	r := w.want(w.call("settings", "POST", creds, mintBody("policy", "temporary-login", "redeem_within", "7d", "scopes", []string{"documents.write"})), 201)
	if !strings.HasSuffix(r.text("email"), "@support.example") || len(r.text("password")) < 25 || r.body["uses"] != "unlimited" || r.body["pin"] != nil {
		t.Errorf("the reply is %s", r.Body)
	}
	list := w.want(w.call("settings", "GET", creds, nil), 200)
	if strings.Contains(list.Body.String(), r.text("password")) || len(list.items()) != 1 || list.items()[0]["uses_left"] != nil ||
		list.items()[0]["email"] != r.text("email") {
		t.Errorf("the list is %s", list.Body)
	}
}

func TestMintContactBound(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	r := w.want(w.call("partners", "POST", creds, mintBody("policy", "phone-pin")), 201)
	if r.text("contact") != "Olivia Owner" || len(r.text("pin")) != 4 {
		t.Errorf("the reply is %s", r.Body)
	}
}

// TestMintSaysTheNumberAsItIsStored: what the product shows its customer is what
// the agent is shown.
func TestMintSaysTheNumberAsItIsStored(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	r := w.want(w.call("settings", "POST", creds, mintBody("handle", "\u202eACME-1\u202c", "account_name", "Acme\u202e")), 201)
	got := w.want(w.call("settings", "GET", creds+"/"+r.text("id"), nil), 200)
	if r.text("account_handle") != "ACME-1" || got.text("account_handle") != "ACME-1" {
		t.Errorf("at the mint %q, later %q", r.text("account_handle"), got.text("account_handle"))
	}
}

func TestMintTwiceWithOneKey(t *testing.T) {
	t.Parallel()
	onEach(t, func(w *world) {
		first := w.want(w.call("settings", "POST", creds, mintBody(), "Idempotency-Key", "k1"), 201)
		again := w.want(w.call("settings", "POST", creds, mintBody(), "Idempotency-Key", "k1"), 200)
		if again.text("id") != first.text("id") || again.body["pin"] != nil || again.body["secret_shown"] != true || first.body["secret_shown"] != nil {
			w.Errorf("again: %s", again.Body)
		}
		w.want(w.call("settings", "POST", creds, mintBody("ticket", "another"), "Idempotency-Key", "k1"), 422)
		w.want(w.call("settings", "POST", "/api/v1/accounts/else/credentials", mintBody("handle", "else"), "Idempotency-Key", "k1"), 422)
		other := w.want(w.call("settings", "POST", creds, mintBody(), "Idempotency-Key", "k2"), 201)
		if other.text("id") == first.text("id") {
			w.Error("another key made no other credential")
		}
	})
}

func TestMintWithOwnerToken(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	for name, c := range map[string]struct {
		token, sub, account string
		status              int
	}{
		"right":               {"ID:u-1:acme:owner", "u-1", "acme", 201},
		"none":                {"", "u-1", "acme", 422},
		"not valid":           {"forged", "u-1", "acme", 403},
		"another subject":     {"ID:u-2:acme:owner", "u-1", "acme", 403},
		"another account":     {"ID:u-1:other:owner", "u-1", "acme", 403},
		"may not mint":        {"ID:u-1:acme:user", "u-1", "acme", 403},
		"without claims":      {"ID:u-1:acme:", "u-1", "acme", 403},
		"cannot be judged":    {"unreachable", "u-1", "acme", 503},
		"no account in it":    {"ID:u-1::owner", "u-1", "acme", 403},
		"no subject at all":   {"ID::acme:owner", "", "acme", 403},
		"the path is another": {"ID:u-1:acme:owner", "u-1", "ACME", 403},
	} {
		body := mintBody("owner.sub", c.sub, "owner_token", c.token)
		r := w.call("proving", "POST", "/api/v1/accounts/"+c.account+"/credentials", body)
		if r.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, r.Code, c.status, r.Body)
		}
		if r.Code != 201 && c.token != "" && strings.Contains(r.Body.String(), c.token) || strings.Contains(r.Body.String(), "MARKER") {
			t.Errorf("%s: the reply repeats what it should not: %s", name, r.Body)
		}
	}
	// Without claims nobody is among those who may sign in, whatever they could lend.
	unlimited := w.api.Connectors["customers"]
	unlimited.Limited = false
	w.api.Connectors["customers"] = unlimited
	w.want(w.call("proving", "POST", creds, mintBody("policy", "open-pin", "owner_token", "ID:u-1:acme:")), 403)
	w.want(w.call("proving", "POST", creds, mintBody("policy", "open-pin", "owner_token", "ID:u-1:acme:user")), 201)
	// A renewed token makes the same mint no other request.
	w.want(w.call("proving", "POST", creds, mintBody("owner_token", "ID:u-1:acme:owner"), "Idempotency-Key", "k"), 201)
	w.want(w.call("proving", "POST", creds, mintBody("owner_token", "ID2:u-1:acme:owner"), "Idempotency-Key", "k"), 200)
}

// refusedMint is a mint that must fail, and the place that the reply must name.
type refusedMint struct {
	client   string
	body     any
	status   int
	location string
}

func refusedMints() map[string]refusedMint {
	return map[string]refusedMint{
		"no such policy":           {"settings", mintBody("policy", "nope"), 422, "body.policy"},
		"policy missing":           {"settings", mintBody("policy", nil), 422, "body"},
		"confirmation":             {"settings", mintBody("confirm", true), 422, "body.confirm"},
		"duration of no choice":    {"settings", mintBody("redeem_within", "4h"), 422, "body.redeem_within"},
		"no duration":              {"settings", mintBody("redeem_within", "soon"), 422, "body.redeem_within"},
		"seconds as number":        {"settings", mintBody("redeem_within", 900), 422, "body.redeem_within"},
		"no time at all":           {"settings", mintBody("redeem_within", "0d"), 422, "body.redeem_within"},
		"backwards":                {"settings", mintBody("redeem_within", "1d-1h"), 422, "body.redeem_within"},
		"never lent":               {"settings", mintBody("scopes", []string{"documents.read", "documents.delete"}), 422, "body.scopes[1]"},
		"not in the catalogue":     {"settings", mintBody("scopes", []string{"nope"}), 422, "body.scopes[0]"},
		"not lent by the policy":   {"settings", mintBody("scopes", []string{"documents.write"}), 422, "body.scopes[0]"},
		"may not be lent by them":  {"settings", mintBody("policy", "open-pin", "owner.claims", map[string]any{"role": "user", "plan": "paid"}, "scopes", []string{"settings.write"}), 403, "body.scopes[0]"},
		"may not mint":             {"settings", mintBody("owner.claims", map[string]any{"role": "user", "plan": "paid"}), 403, "body.owner"},
		"policy asks, claims none": {"partners", mintBody("owner.claims", nil), 403, "body.owner"},
		"may asks, claims none":    {"settings", mintBody("policy", "open-pin", "owner.claims", nil), 403, "body.owner"},
		"may lend nothing":         {"settings", mintBody("policy", "open-pin", "owner.claims", map[string]any{"role": "none", "plan": "paid"}), 403, "body.owner"},
		"not allowed as owner":     {"settings", mintBody("owner.claims", map[string]any{"role": "owner", "plan": "free"}), 403, ""},
		"claims, but none of them": {"settings", mintBody("policy", "open-pin", "owner.claims", map[string]any{}), 403, ""},
		"claim of a wrong shape":   {"settings", mintBody("owner.claims", map[string]any{"role": map[string]any{}}), 422, "body.owner.claims.role"},
		"handle missing":           {"settings", mintBody("handle", nil), 422, "body"},
		"handle empty":             {"settings", mintBody("handle", " "), 422, "body.handle"},
		"handle taken":             {"settings", mintBody("handle", "TAKEN"), 409, "body.handle"},
		"control character":        {"settings", mintBody("account_name", "a\u0000b"), 422, "body.account_name"},
		"name too long":            {"settings", mintBody("account_name", strings.Repeat("x", 201)), 422, "body.account_name"},
		"ticket too long":          {"settings", mintBody("ticket", strings.Repeat("x", 201)), 422, "body.ticket"},
		"contact without name":     {"partners", mintBody("policy", "phone-pin", "owner.name", " "), 422, "body.owner.name"},
		"subject missing":          {"settings", mintBody("owner.sub", nil), 422, "body.owner"},
		"unknown member":           {"settings", mintBody("pin", "1"), 422, "body.pin"},
		"unknown member of owner":  {"settings", mintBody("owner.role", "owner"), 422, "body.owner.role"},
		"member in another case":   {"settings", mintBody("Ticket", "1"), 422, "body.Ticket"},
		"not JSON":                 {"settings", `{"policy":`, 400, "body"},
		"a list":                   {"settings", `[]`, 422, "body"},
		"nothing":                  {"settings", ``, 400, ""},
		"too large":                {"settings", mintBody("ticket", strings.Repeat("x", 70_000)), 413, ""},
		"client without proof":     {"unproven", mintBody(), 403, ""},
		"client without owners":    {"nobodys", mintBody(), 403, ""},
		"connector not configured": {"lost", mintBody(), 503, ""},
	}
}

func TestMintRefused(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.want(w.call("partners", "POST", "/api/v1/accounts/taken/credentials", mintBody("policy", "open-pin", "handle", "Ta Ken")), 201)
	long := strings.Repeat("x", 201)
	for name, c := range refusedMints() {
		r := w.call(c.client, "POST", creds, c.body)
		if r.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, r.Code, c.status, r.Body)
		}
		if c.location != "" && !strings.Contains(r.Body.String(), `"location":"`+c.location+`"`) {
			t.Errorf("%s: %s is not named: %s", name, c.location, r.Body)
		}
	}
	r := w.call("settings", "POST", "/api/v1/accounts/taken/credentials", mintBody("handle", "taken"))
	if r.Code != 409 || !strings.HasSuffix(r.text("type"), "other-owner") {
		t.Errorf("another connector's account: %d %s", r.Code, r.Body)
	}
	w.want(w.call("settings", "POST", "/api/v1/accounts/"+long+"/credentials", mintBody()), 422)
	w.want(w.call("settings", "POST", creds, mintBody(), "Idempotency-Key", long), 422)
	w.want(w.call("settings", "POST", creds, mintBody(), "Idempotency-Key", "k\xff"), 400) // PostgreSQL takes no such text
	w.want(w.call("settings", "POST", creds, mintBody(), "Idempotency-Key", "é"), 201)
	twice := httptest.NewRequest(http.MethodPost, creds, nil)
	twice.Header["Idempotency-Key"] = []string{"one", "two"}
	w.want(w.serve(twice), 400)
}

func TestLocalOwnersAreNamedByTheirConnector(t *testing.T) {
	t.Parallel()
	w := onSQLite(t)
	w.want(w.call("partners", "POST", creds, mintBody()), 201)
	all, err := w.store.Credentials(t.Context(), "acme", page(1))
	must(t, err)
	if all[0].Minter.Issuer != "partners" {
		t.Errorf("the owner's issuer is %q", all[0].Minter.Issuer)
	}
}
