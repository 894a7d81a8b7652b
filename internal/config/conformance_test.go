package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// conformance is the folder of what the OpenID Foundation's suite is given.
const conformance = "../../e2e/conformance/"

// suite is where the suite listens. It is told from what carries its address in
// a query: a pattern that begins with a star would match that too.
const suite = "https://localhost.emobix.co.uk:8443"

// plan is the configuration of a test plan of that suite, as far as this
// broker's plans go.
type plan struct {
	Alias       string `json:"alias"`
	Description string `json:"description"`
	Server      struct {
		Discovery string `json:"discoveryUrl"`
		LoginHint string `json:"login_hint"`
	} `json:"server"`
	Options    map[string]bool `json:"options"`
	Client     planClient      `json:"client"`
	SecretPost planClient      `json:"client_secret_post"`
	Client2    planClient      `json:"client2"`
	Resource   struct {
		URL string `json:"resourceUrl"`
	} `json:"resource"`
	SSF struct {
		Transmitter struct {
			Issuer string `json:"issuer"`
		} `json:"transmitter"`
	} `json:"ssf"`
	Browser  []planBlock `json:"browser"`
	Override map[string]struct {
		Browser []planBlock `json:"browser"`
	} `json:"override"`
}

type planClient struct {
	ID      string `json:"client_id"`
	Secret  string `json:"client_secret"`
	Scope   string `json:"scope"`
	DPoPAlg string `json:"dpop_signing_alg"`
	JWKS    struct {
		Keys []map[string]string `json:"keys"`
	} `json:"jwks"`
}

// planBlock is what the suite's browser does at an address.
type planBlock struct {
	Match string `json:"match"`
	Limit int    `json:"match-limit"`
	Tasks []struct {
		Task     string  `json:"task"`
		Optional bool    `json:"optional"`
		Match    string  `json:"match"`
		Commands [][]any `json:"commands"`
	} `json:"tasks"`
}

// TestTheConformanceBrokerStarts: nothing but what is said in the open is wrong
// with its configuration.
func TestTheConformanceBrokerStarts(t *testing.T) {
	t.Parallel()
	for _, w := range conformanceBroker(t).Warnings {
		if !slices.ContainsFunc([]string{".local[", ".require.pkce"}, func(part string) bool { return strings.Contains(w.Key, part) }) {
			t.Errorf("a warning: %s", w)
		}
	}
}

func conformanceBroker(t *testing.T) *Config {
	t.Helper()
	c, err := Load(conformance + "valetkey.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConformancePlansFitTheBroker: their clients exist, prove themselves with
// what the broker knows, and are called back where the suite listens.
func TestConformancePlansFitTheBroker(t *testing.T) {
	t.Parallel()
	c := conformanceBroker(t)
	files, err := filepath.Glob(conformance + "*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("there are %d plans, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p plan
		decoder := json.NewDecoder(strings.NewReader(string(raw)))
		if decoder.DisallowUnknownFields(); decoder.Decode(&p) != nil || decoder.More() {
			t.Fatalf("%s is no plan", file)
		}
		if p.Server.Discovery != c.Issuer+"/.well-known/openid-configuration" || p.Alias == "" || p.Resource.URL != "" && !strings.HasPrefix(p.Resource.URL, c.Issuer+"/") ||
			p.SSF.Transmitter.Issuer != "" && p.SSF.Transmitter.Issuer != c.Issuer {
			t.Errorf("%s is not of %s: %+v", file, c.Issuer, p.Server)
		}
		p.Client.fits(t, c, p.Alias)
		for _, other := range []planClient{p.SecretPost, p.Client2} {
			if other.ID != "" {
				other.fits(t, c, p.Alias)
			}
		}
		blocks := p.Browser
		for module, override := range p.Override {
			if len(override.Browser) == 0 {
				t.Errorf("%s: %s overrides nothing", file, module)
			}
			blocks = append(blocks, override.Browser...)
		}
		for _, b := range blocks {
			b.check(t, file, c.Issuer)
		}
	}
}

// fits compares a plan's client with the broker's.
func (p planClient) fits(t *testing.T, c *Config, alias string) {
	t.Helper()
	i := slices.IndexFunc(c.Clients, func(c Client) bool { return c.ID == p.ID })
	if i < 0 {
		t.Errorf("there is no client %q", p.ID)
		return
	}
	client := c.Clients[i]
	if client.Secret.Reveal() != p.Secret || (p.Secret == "") != (len(p.JWKS.Keys) == 1) {
		t.Errorf("%s cannot prove who it is", p.ID)
	}
	for _, uri := range slices.Concat(client.PostLogoutRedirectURIs, client.SSFPushURIs, []string{client.BackchannelLogoutURI}) {
		if uri != "" && !strings.HasPrefix(uri, suite+"/test/a/"+alias+"/") {
			t.Errorf("%s is called at %s, and the plan's alias is %s", p.ID, uri, alias)
		}
	}
	for _, uri := range client.RedirectURIs {
		if !strings.HasPrefix(uri, suite+"/test/a/"+alias+"/callback") {
			t.Errorf("%s is called back at %s, and the plan's alias is %s", p.ID, uri, alias)
		}
	}
	if len(p.JWKS.Keys) == 0 {
		return
	}
	text, err := os.ReadFile(conformance + "valetkey.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range p.JWKS.Keys[0] {
		if public := !slices.Contains([]string{"d", "p", "q", "dp", "dq", "qi"}, name); strings.Contains(string(text), value) != public {
			t.Errorf("%s: the broker's configuration has %s of its key: %v", p.ID, name, !public)
		}
	}
}

// check wants commands that the suite's browser has, of this broker's pages.
func (b planBlock) check(t *testing.T, file, issuer string) {
	t.Helper()
	if !strings.HasPrefix(b.Match, issuer+"/") || len(b.Tasks) == 0 {
		t.Errorf("%s: a block is for %q", file, b.Match)
	}
	for _, task := range b.Tasks {
		if task.Task == "" || !strings.HasPrefix(task.Match, issuer+"/") && !strings.HasPrefix(task.Match, suite+"/test/a/*/") {
			t.Errorf("%s: task %q is for %q", file, task.Task, task.Match)
		}
		for _, command := range task.Commands {
			verb, _ := command[0].(string)
			least := map[string]int{"click": 3, "text": 4, "wait": 4}[verb]
			if by := command[1]; least == 0 || len(command) < least || by != "css" && by != "name" && by != "id" && by != "xpath" {
				t.Errorf("%s: %s: the suite's browser has no %v", file, task.Task, command)
			}
		}
	}
}
