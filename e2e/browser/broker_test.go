package browser

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/valetkey/valetkey/internal/testkit"
)

// program is the built binary.
var program string

func TestMain(m *testing.M) {
	os.Exit(testkit.Program(func(path string) int {
		program = path
		return m.Run()
	}))
}

// What the staff sign in with: every test has an agent of its own, since a
// one-time code is good once and wrong PINs are counted.
const (
	agents     = 12
	totpSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

var (
	staffPassword = rand.Text()
	apiSecret     = rand.Text() + rand.Text()
)

// broker is the program, serving, and the app that it calls back.
type broker struct {
	t      *testing.T
	issuer string
	app    *httptest.Server

	mu     sync.Mutex
	called map[string]chan url.Values // by state
}

const configuration = `issuer: %[1]s
listen: %[2]s
database: sqlite:valetkey.db
secrets: valetkey.secrets
drain: 0s
brand: {product: Northwind Docs, support: Northwind Support, help: "https://help.northwind.example"}
%[3]sscopes:
  documents.read: {label: View documents, kind: view}
  settings.write: {label: Change settings, kind: change}
  documents.delete: {label: Delete documents, kind: delete}
  billing.read: {label: See invoices and cards, kind: billing}
policies:
  support-pin: {name: Support PIN, kind: pin, mint: {role: [owner]}, digits: 6, redeem_within: 15m, uses: 1, tries: 5, session: 30m, idle: 10m, scopes: [documents.read, settings.write]}
  two-day-pin: {name: Two-day PIN, kind: pin, contact: bound, digits: 6, redeem_within: 48h, uses: 1, tries: 5, session: 1h, idle: 15m, scopes: [documents.read]}
  temporary-login: {name: Temporary login, kind: password, mint: {role: [owner]}, email_domain: support.northwind.example, redeem_within: {choices: [1h, 4h, 24h], default: 4h}, uses: unlimited, session: 8h, idle: 30m, scopes: [documents.read]}
clients:
  - {id: docs, name: Northwind Docs, public: true, redirect_uris: ["%[4]s/callback", "%[6]s/callback"], audience: "https://docs.northwind.example/api", scopes: ["documents.*", "settings.*"], grants: [authorization_code], enforces: introspection}
  - {id: settings, name: Northwind settings, secret: %[5]s, grants: [client_credentials], api: [credentials.mint], owners: customers, owner_proof: trusted}
`

// here are the people who sign in at the broker itself.
const here = `owners:
  - id: customers
    name: Northwind account
    allow: {role: [owner, user]}
    local:
%[1]s
agents:
  - id: local
    name: Northwind staff
    local:
%[2]s
`

func start(t *testing.T) *broker {
	t.Helper()
	return startWith(t, "127.0.0.1", func(*broker) string { return fmt.Sprintf(here, owners(), people()) })
}

// startWith serves under a name of this machine, with these people.
func startWith(t *testing.T, host string, people func(*broker) string) *broker {
	t.Helper()
	b, address := place(t, host)
	b.serve(fmt.Sprintf(configuration, b.issuer, address, people(b), b.app.URL, apiSecret, b.elsewhere()))
	return b
}

// place finds a broker its address, and starts its app.
func place(t *testing.T, host string) (b *broker, address string) {
	t.Helper()
	port := testkit.Port(t)
	address = fmt.Sprintf("127.0.0.1:%d", port)
	b = &broker{t: t, issuer: fmt.Sprintf("http://%s:%d", host, port), called: map[string]chan url.Values{}}
	b.app = httptest.NewServer(http.HandlerFunc(b.callback))
	t.Cleanup(b.app.Close)
	return b, address
}

// serve runs the program with this configuration until the test is over.
func (b *broker) serve(text string) {
	t := b.t
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "valetkey.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "serve", "--config", filepath.Join(dir, "valetkey.yaml"))
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the program says:\n%s", said.String())
		}
	})
	b.awaitReady(ended)
}

func (b *broker) awaitReady(ended <-chan struct{}) {
	b.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	limit := time.After(time.Minute)
	for {
		if answer, err := http.Get(b.issuer + "/readyz"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-again.C:
		case <-ended:
			b.t.Fatal("the program ended instead of becoming ready")
		case <-limit:
			b.t.Fatal("the program is not ready after a minute")
		}
	}
}

// people are the staff, who have a second factor.
func people() string {
	var lines strings.Builder
	for i := range agents {
		fmt.Fprintf(&lines, "      - {username: sam%d, name: Sam Rivera, password_hash: \"%s\", totp: %s}\n", i, passwordHash(), totpSecret)
	}
	return strings.TrimRight(lines.String(), "\n")
}

// owners are an owner and a user of each of some accounts.
func owners() string {
	var lines strings.Builder
	for i := range agents {
		for name, role := range map[string]string{"Olivia Owner": "owner", "Uma User": "user"} {
			fmt.Fprintf(&lines, "      - {username: %s%d, name: %s, claims: {role: %s}, password_hash: \"%s\", account: {id: own%d, name: Acme Corporation, handle: \"482%d\"}}\n",
				strings.ToLower(strings.Fields(name)[0]), i, name, role, passwordHash(), i, i)
		}
	}
	return strings.TrimRight(lines.String(), "\n")
}

// passwordHash is of the password that everybody here has.
var passwordHash = sync.OnceValue(func() string {
	salt := []byte("0123456789abcdef")
	return fmt.Sprintf("$argon2id$v=19$m=19456,t=2,p=1$%s$%s", base64.RawStdEncoding.EncodeToString(salt),
		base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte(staffPassword), salt, 2, 19456, 1, 32)))
})

// elsewhere is the app under its other name, which is another site to browsers.
func (b *broker) elsewhere() string {
	return strings.Replace(b.app.URL, "127.0.0.1", "localhost", 1)
}

// callback is the app's redirect URI. What it is posted, it must be posted whole.
func (b *broker) callback(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/callback") {
		http.NotFound(w, r)
		return
	}
	got := r.URL.Query()
	if r.Method == http.MethodPost && r.ParseForm() == nil && len(got) == 0 {
		got = r.PostForm
		got.Set("posted", r.Header.Get("Content-Type"))
	}
	b.mu.Lock()
	called := b.called[got.Get("state")]
	b.mu.Unlock()
	if called != nil {
		called <- got
	}
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1 id="app">Welcome</h1><p id="submission_complete">Done</p></html>`)
}

// authorize returns the address of an authorization request, and where its
// answer arrives.
func (b *broker) authorize(pairs ...string) (string, <-chan url.Values) {
	state, called := rand.Text(), make(chan url.Values, 1)
	b.mu.Lock()
	b.called[state] = called
	b.mu.Unlock()
	params := url.Values{"response_type": {"code"}, "client_id": {"docs"}, "redirect_uri": {b.app.URL + "/callback"},
		"scope": {"openid documents.read settings.write"}, "state": {state},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}} // of RFC 7636 appendix B
	for i := 0; i < len(pairs); i += 2 {
		params.Set(pairs[i], pairs[i+1])
	}
	return b.issuer + "/authorize?" + params.Encode(), called
}

// apiToken is for the management API.
func (b *broker) apiToken(client, secret string) string {
	b.t.Helper()
	var token struct {
		Access string `json:"access_token"`
	}
	b.post("/token", "application/x-www-form-urlencoded", url.Values{"grant_type": {"client_credentials"}, "scope": {"credentials.mint"},
		"client_id": {client}, "client_secret": {secret}}.Encode(), "", &token)
	return token.Access
}

// mint makes a PIN for an account, whatever its id, of Acme Corporation.
func (b *broker) mint(account, handle string) string {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"policy": "support-pin", "account_name": "Acme Corporation", "handle": handle, "ticket": "",
		"scopes": []string{"documents.read", "settings.write"}, "owner": map[string]any{"sub": "olivia", "name": "Olivia Owner", "email": "o@acme.example", "claims": map[string]any{"role": "owner"}}})
	if err != nil {
		b.t.Fatal(err)
	}
	var minted struct {
		PIN string `json:"pin"`
	}
	b.post("/api/v1/accounts/"+account+"/credentials", "application/json", string(body), b.apiToken("settings", apiSecret), &minted)
	if len(minted.PIN) != 6 {
		b.t.Fatalf("the minted PIN has %d digits", len(minted.PIN))
	}
	return minted.PIN
}

func (b *broker) post(path, kind, body, bearer string, into any) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.issuer+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil || answer.StatusCode > 299 {
		b.t.Fatalf("POST %s: %d %s (%v)", path, answer.StatusCode, text, err)
	}
}
