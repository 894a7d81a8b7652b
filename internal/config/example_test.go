package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examplePath = "../../config.example.yaml"

// exampleEnv is what config.example.yaml takes from the environment.
var exampleEnv = map[string]string{
	"CUSTOMERS_SECRET":  "customers-secret",
	"SSO_SECRET":        "sso-secret",
	"SAM_PASSWORD_HASH": testHash,
	"SAM_TOTP":          "JBSWY3DPEHPK3PXP",
	"DOCS_SECRET":       "docs-secret-0123456789",
	"SETTINGS_SECRET":   "settings-secret-0123456789",
	"DOCS_API_SECRET":   "docs-api-secret-0123456789",
}

// Not parallel: Load reads the real environment.
func TestExampleLoads(t *testing.T) {
	for name, value := range exampleEnv {
		t.Setenv(name, value)
	}
	c, err := Load(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range c.Policies {
		ids = append(ids, p.ID)
	}
	if got := strings.Join(ids, " "); got != "support-pin two-day-pin phone-pin temporary-login" {
		t.Errorf("policies in order of the file: got %s", got)
	}
	for _, role := range []string{"owner", "admin"} {
		if scopes := c.mayScopes("role", role); len(scopes) < 2 {
			t.Errorf("may.role.%s lends %v; without a line of its own this role can lend nothing", role, scopes)
		}
	}
	for _, w := range c.Warnings {
		if !strings.Contains(w.Text, "not available in this version") {
			t.Errorf("the example should warn of nothing that can be avoided: %s", w)
		}
	}
}

// TestTheLocalBrokerLoads: the file that an engineer's first minutes begin with.
// Not parallel: Load reads the real environment.
func TestTheLocalBrokerLoads(t *testing.T) {
	t.Setenv("DOCS_SECRET", exampleEnv["DOCS_SECRET"])
	t.Setenv("PASSWORD_HASH", testHash)
	c, err := Load("../../docs/local.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		if !strings.HasSuffix(w.Text, "add allow to say who may") && !strings.HasSuffix(w.Text, "add totp") {
			t.Errorf("a warning: %s", w)
		}
	}
}

func (c *Config) mayScopes(claim, value string) []string {
	for _, o := range c.Owners {
		for _, rule := range o.May {
			if rule.Claim == claim && rule.Value == value {
				return rule.Scopes
			}
		}
	}
	return nil
}

// keysOf lists every key path of a struct, as itemless paths such as
// clients[].require.pkce.
func keysOf(t reflect.Type, prefix string, visit func(path string, f reflect.StructField)) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			keysOf(f.Type, prefix, visit)
			continue
		}
		key := f.Tag.Get("key")
		if key == "" || key == "-" || key == "*" {
			continue
		}
		path := prefix + key
		visit(path, f)
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Slice {
			if ft = ft.Elem(); ft.Kind() == reflect.Struct {
				if _, named := nameField(ft); named {
					path += ".*"
				} else {
					path += "[]"
				}
			}
		}
		if ft.Kind() == reflect.Struct {
			keysOf(ft, path+".", visit)
		}
	}
}

var (
	itemPart   = regexp.MustCompile(`\[[^\]]*\]`)
	sharedPart = regexp.MustCompile(`\.(oidc|local\[\])\.(.+)$`)
)

// shapes turns the keys of a file into the paths that keysOf gives.
func shapes(c *Config) map[string]bool {
	out := map[string]bool{}
	for key := range c.lines {
		for _, s := range c.Scopes {
			key = strings.Replace(key, "scopes."+s.Name+".", "scopes.*.", 1)
		}
		for _, p := range c.Policies {
			key = strings.Replace(key, "policies."+p.ID+".", "policies.*.", 1)
		}
		key = itemPart.ReplaceAllString(key, "[]")
		out[key] = true
		// Owners' and agents' connectors share these, so once is enough.
		if part := sharedPart.FindString(key); part != "" {
			out["owners[]"+part], out["agents[]"+part] = true, true
		}
	}
	return out
}

func TestExampleNamesEveryKey(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(examplePath, data, lookup(exampleEnv))
	if err != nil {
		t.Fatal(err)
	}
	named := shapes(c)
	text := string(data)
	keysOf(reflect.TypeFor[Config](), "", func(path string, f reflect.StructField) {
		key := f.Tag.Get("key")
		comment := regexp.MustCompile(`(?m)^\s*#.*\b` + key + `:`)
		if !named[path] && !comment.MatchString(text) {
			t.Errorf("%s is not in config.example.yaml", path)
		}
		says := "default"
		if f.Tag.Get("required") != "" {
			says = "required"
		} else if d := f.Tag.Get("default"); d != "" {
			says = "default " + d
		}
		mark := regexp.MustCompile(`(?m)^\s*(# )?(- )?` + key + `:.*# [^#]*(` + regexp.QuoteMeta(says) + `|required (for|with|unless)|required, )`)
		if !mark.MatchString(text) {
			t.Errorf("%s: config.example.yaml does not mark it %q", path, says)
		}
	})
}

// A default that cannot be read, or is not among the key's own words, would only
// show in a file that leaves the key out.
func TestDefaultTagsDecode(t *testing.T) {
	t.Parallel()
	keysOf(reflect.TypeFor[Config](), "", func(path string, f reflect.StructField) {
		words := strings.Fields(f.Tag.Get("oneof"))
		for _, def := range strings.Fields(f.Tag.Get("default")) {
			if len(words) > 0 && !slices.Contains(words, def) {
				t.Errorf("%s: default %q is not one of its own words", path, def)
			}
		}
		setDefault(reflect.New(f.Type).Elem(), f.Tag) // panics on a default that cannot be read
	})
}
