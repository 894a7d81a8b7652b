package credentials

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valetkey/valetkey/scopes"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ticket, reason string
		want           bool
	}{
		{"", "", true}, {"  ", "anything", true}, {"T-4711", "", false}, {"T-4711", "T-4711", true}, {"T-4711", "about (t-4711), again", true},
		{"T-4711", "T-47110", false}, {"T-4711", "XT-4711", false}, {"T-4711", "T-47110 and T-4711", true}, {"T-4711", "T-471", false},
		{" 42 ", "ticket #42.", true}, {"42", "142 420 4-2", false}, {"42", "é42", false}, {"42", "42é", false}, {"aa", "aaa aa", true},
		{"\u200e4711\u200e", "4711", true}, {"4711", "\u2067ticket\u2069 \u20674711\u2069", true}, {"4711", "\u202e1174", false},
	} {
		if got := (Credential{Ticket: tc.ticket}).Names(tc.reason); got != tc.want {
			t.Errorf("%q names ticket %q: %v, want %v", tc.reason, tc.ticket, got, tc.want)
		}
	}
}

func TestFolding(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{" H 12 ": "h12", "Ümlaut\tCo": "ümlautco", "": "", "A-b\u200b\u2013c": "abc", "a\x00\xff": "a\ufffd\ufffd"} {
		if got := FoldHandle(in); got != want {
			t.Errorf("FoldHandle(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{" 123 456\n": "123456", "123-456": "123456", "1\u00a02\t3": "123", "\u202a123\u2009\u2013\u200b456\u202c": "123456", "12a": "12a", "": ""} {
		if got := FoldPIN(in); got != want {
			t.Errorf("FoldPIN(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{" Guest@X.Example ": "guest@x.example"} {
		if got := FoldEmail(in); got != want {
			t.Errorf("FoldEmail(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{"a\r\nb\x00\u2028c": "a  b  c", " x ": "x", "\xffok": "ok", "4711 \u202ekcis\u2069 \u200fא": "4711 kcis א", strings.Repeat("é", 400): strings.Repeat("é", 300)} {
		if got := cleanReason(in); got != want {
			t.Errorf("cleanReason(%q) = %q", in, got)
		}
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	rules := []ClaimRule{{"role", []string{"owner", "admin"}}, {"plan", []string{"pro"}}}
	for name, tc := range map[string]struct {
		rules  []ClaimRule
		claims map[string][]string
		want   bool
	}{
		"no rules":         {nil, nil, true},
		"no claims":        {rules, nil, false},
		"all met":          {rules, map[string][]string{"role": {"x", "admin"}, "plan": {"pro"}}, true},
		"one missing":      {rules, map[string][]string{"role": {"admin"}}, false},
		"another value":    {rules, map[string][]string{"role": {"user"}, "plan": {"pro"}}, false},
		"a rule of no one": {[]ClaimRule{{"role", nil}}, map[string][]string{"role": {"admin"}}, false},
	} {
		if got := Allowed(tc.rules, tc.claims); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	may := []MayRule{{"role", "user", []string{"a.*"}}, {"role", "admin", []string{"b.*"}}, {"team", "x", []string{"c"}}}
	for _, tc := range []struct {
		claims map[string][]string
		want   []string
	}{
		{nil, nil}, {map[string][]string{"role": {"none"}}, nil}, {map[string][]string{"role": {"user"}}, []string{"a.*"}},
		{map[string][]string{"role": {"admin", "user"}, "team": {"x"}}, []string{"a.*", "b.*", "c"}},
	} {
		if got := MayLend(may, tc.claims); !slices.Equal(got, tc.want) {
			t.Errorf("%v may lend %v", tc.claims, got)
		}
	}
}

// TestPeople: the pseudonym keeps issuer and subject apart.
func TestPeople(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range [][2]string{{"a", "b"}, {"b", "a"}, {"ab", ""}, {"", "ab"}, {"a", "b "}, {"c", "b"}} {
		key := Person(p[0], p[1])
		if seen[key] || len(key) != 22 {
			t.Errorf("%q of %v", key, p)
		}
		seen[key] = true
	}
	if (Owner{Issuer: "i", Subject: "s"}).Key() != (Agent{Issuer: "i", Subject: "s"}).Key() {
		t.Error("one person has two pseudonyms")
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	if PauseWindow != 15*time.Minute || DayWindow != 24*time.Hour {
		t.Errorf("tries are looked back at for %s and %s", PauseWindow, DayWindow)
	}
	ago := func(minutes ...int) (out []time.Time) {
		for _, m := range minutes {
			out = append(out, noon.Add(-time.Duration(m)*time.Minute))
		}
		return out
	}
	for name, tc := range map[string]struct {
		facts     TryFacts
		digits    int
		closed    bool
		left      int
		until     time.Time
		suspended bool
	}{
		"nothing yet":               {TryFacts{}, 6, false, 5, time.Time{}, false},
		"nothing yet, weak":         {TryFacts{}, 4, false, 3, time.Time{}, false},
		"five digits are weak":      {TryFacts{}, 5, false, 3, time.Time{}, false},
		"one before the pause":      {TryFacts{Recent: ago(1, 2, 3, 4)}, 6, false, 1, time.Time{}, false},
		"the pause":                 {TryFacts{Recent: ago(1, 2, 3, 4, 5)}, 6, true, 0, noon.Add(10 * time.Minute), false},
		"more than the pause":       {TryFacts{Recent: ago(1, 2, 3, 4, 5, 6)}, 6, true, 0, noon.Add(10 * time.Minute), false},
		"the pause, weak":           {TryFacts{Recent: ago(1, 2, 3)}, 4, true, 0, noon.Add(12 * time.Minute), false},
		"suspended":                 {TryFacts{Suspended: true}, 6, true, 0, time.Time{}, true},
		"one before suspension":     {TryFacts{Agent: 19, AgentWeak: 19}, 6, false, 5, time.Time{}, false},
		"suspension":                {TryFacts{Agent: 20}, 6, true, 0, time.Time{}, true},
		"suspension before pause":   {TryFacts{Agent: 20, Recent: ago(1, 2, 3, 4, 5)}, 6, true, 0, time.Time{}, true},
		"one before, weak":          {TryFacts{Agent: 19, AgentWeak: 9}, 4, false, 3, time.Time{}, false},
		"suspension, weak":          {TryFacts{Agent: 10, AgentWeak: 10}, 4, true, 0, time.Time{}, true},
		"account, one before":       {TryFacts{Account: 19, AccountWeak: 19}, 6, false, 5, time.Time{}, false},
		"account":                   {TryFacts{Account: 20}, 6, true, 5, time.Time{}, false},
		"account, weak, one before": {TryFacts{Account: 19, AccountWeak: 5}, 4, false, 3, time.Time{}, false},
		"account, weak":             {TryFacts{Account: 6, AccountWeak: 6}, 4, true, 3, time.Time{}, false},
		"account over all, weak":    {TryFacts{Account: 20}, 4, true, 3, time.Time{}, false},
		"installation, one before":  {TryFacts{Installation: 999, InstallationWeak: 999}, 6, false, 5, time.Time{}, false},
		"installation":              {TryFacts{Installation: 1000}, 6, true, 5, time.Time{}, false},
		"installation, weak":        {TryFacts{Installation: 200, InstallationWeak: 200}, 4, true, 3, time.Time{}, false},
	} {
		tc.facts.Now = noon
		closed, left, err := tc.facts.Judge(tc.digits)
		var paused *Paused
		errors.As(err, &paused)
		if closed != tc.closed || left != tc.left || errors.Is(err, ErrSuspended) != tc.suspended || (paused != nil) != !tc.until.IsZero() {
			t.Errorf("%s: closed %v, left %d, %v", name, closed, left, err)
		} else if paused != nil && !paused.Until.Equal(tc.until) {
			t.Errorf("%s: until %v, want %v", name, paused.Until, tc.until)
		}
	}
}

func TestCredentialStates(t *testing.T) {
	t.Parallel()
	c := Credential{State: Live, Kind: PIN, RedeemBy: noon, Session: time.Hour, Uses: 2, UsesLeft: 2}
	before := noon.Add(-time.Microsecond)
	if c.StateAt(before) != Live || c.StateAt(noon) != Expired || c.Usable(before) != nil || c.Usable(noon) == nil {
		t.Error("redeem-by is not the first moment at which it is too late")
	}
	for _, s := range []State{Used, Replaced, Revoked, Burned, Expired} {
		dead := c
		dead.State = s
		var why *Unusable
		if err := dead.Usable(before); !errors.As(err, &why) || why.State != s || dead.StateAt(noon) != s {
			t.Errorf("%s: %v", s, err)
		}
	}
	c.Consume()
	if c.State != Live || c.UsesLeft != 1 {
		t.Errorf("after one of two uses: %s, %d left", c.State, c.UsesLeft)
	}
	if c.Consume(); c.State != Used || c.UsesLeft != 0 {
		t.Errorf("after the last use: %s, %d left", c.State, c.UsesLeft)
	}
	c.State = Live
	if c.Usable(before) == nil {
		t.Error("a credential without uses left is usable")
	}
	unlimited := Credential{State: Live}
	if unlimited.Consume(); unlimited.State != Live {
		t.Error("an unlimited credential was used up")
	}
	if end := c.sessionEnd(before); !end.Equal(before.Add(time.Hour)) {
		t.Errorf("a PIN's session ends %v", end)
	}
	c.Kind = Password
	if end := c.sessionEnd(before); !end.Equal(noon) {
		t.Errorf("a login's session ends %v", end)
	}
	if end := c.sessionEnd(noon.Add(-2 * time.Hour)); !end.Equal(noon.Add(-time.Hour)) {
		t.Errorf("a login's short session ends %v", end)
	}
}

func TestSessionDue(t *testing.T) {
	t.Parallel()
	s := Session{ActiveAt: noon, EndsAt: noon.Add(time.Hour), Idle: 10 * time.Minute}
	for name, tc := range map[string]struct {
		active, at time.Duration
		cause      Cause
	}{
		"just active": {0, 0, ""}, "one before idle": {0, 10*time.Minute - 1, ""}, "idle": {0, 10 * time.Minute, CauseIdle},
		"long idle": {0, 2 * time.Hour, CauseIdle}, "one before time": {55 * time.Minute, time.Hour - 1, ""},
		"time": {55 * time.Minute, time.Hour, CauseTime}, "both at once": {50 * time.Minute, time.Hour, CauseTime},
	} {
		x := s
		x.ActiveAt = noon.Add(tc.active)
		if cause, due := x.Due(noon.Add(tc.at)); cause != tc.cause || due != (tc.cause != "") {
			t.Errorf("%s: %q, %v", name, cause, due)
		}
		x.EndedAt = noon
		if _, due := x.Due(noon.Add(tc.at)); due {
			t.Errorf("%s: due although it has ended", name)
		}
	}
}

func TestPolicyCheck(t *testing.T) {
	t.Parallel()
	catalogue, err := scopes.NewCatalogue([]scopes.Scope{{Name: "read", Kind: scopes.View}, {Name: "pay", Kind: scopes.Billing}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*Policy)
		says   string
	}{
		"as it is":           {func(*Policy) {}, ""},
		"never lent":         {func(p *Policy) { p.Scopes = []string{"read", "pay"} }, `"pay"`},
		"unknown scope":      {func(p *Policy) { p.Scopes = []string{"other"} }, `"other"`},
		"no scope":           {func(p *Policy) { p.Scopes = nil }, "at least one scope"},
		"default no choice":  {func(p *Policy) { p.RedeemDefault = time.Minute }, "redeem_within"},
		"three digits":       {func(p *Policy) { p.Digits = 3 }, "4 digits"},
		"no try":             {func(p *Policy) { p.Tries = 0 }, "one try"},
		"two uses":           {func(p *Policy) { p.Uses = 2 }, "one use"},
		"unlimited uses":     {func(p *Policy) { p.Uses = 0 }, "one use"},
		"a holder's PIN":     {func(p *Policy) { p.Holder = true }, "names an agent"},
		"login without mail": {func(p *Policy) { p.Kind = Password }, "email_domain"},
		"a holder's login":   {func(p *Policy) { p.Kind, p.EmailDomain, p.Holder, p.Uses = Password, "x.example", true, 0 }, ""},
		"no length":          {func(p *Policy) { p.Session = 0 }, "indefinite"},
		"no idle end":        {func(p *Policy) { p.Idle = 0 }, "indefinite"},
	} {
		p := Policy{Kind: PIN, Digits: 6, Tries: 5, Uses: 1, RedeemWithin: []time.Duration{time.Hour}, RedeemDefault: time.Hour,
			Session: time.Hour, Idle: time.Minute, Scopes: []string{"read"}}
		tc.change(&p)
		if err := p.Check(catalogue); (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGuessChance(t *testing.T) {
	t.Parallel()
	near := func(got, want float64) bool { return math.Abs(got-want) <= want*0.001 }
	six, four := Policy{Kind: PIN, Digits: 6, Tries: 5}, Policy{Kind: PIN, Digits: 4, Tries: 3}
	for name, tc := range map[string]struct{ got, want float64 }{
		"six": {six.GuessChance(), 5e-6}, "six, an agent": {six.GuessChanceAgent(), 20e-6},
		"four": {four.GuessChance(), 3e-4}, "four, an agent": {four.GuessChanceAgent(), 10e-4},
		"login": {Policy{Kind: Password}.GuessChance(), math.Pow(2, -125)}, "login, an agent": {Policy{Kind: Password}.GuessChanceAgent(), math.Pow(2, -125)},
	} {
		if !near(tc.got, tc.want) {
			t.Errorf("%s: %g, want %g", name, tc.got, tc.want)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		7 * 24 * time.Hour: "7d", 90 * time.Minute: "1h30m", 15 * time.Minute: "15m", 48*time.Hour + time.Second: "2d1s", 250 * time.Millisecond: "250ms",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}
