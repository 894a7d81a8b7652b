package templates

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// TestFormPostSendsItself to the app, with what it is given and nothing else,
// and has a button for whoever has no scripts.
func TestFormPostSendsItself(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	values := map[string]string{"code": "c", "state": "", "iss": "https://access.example"}
	page := written(t, func(w io.Writer) error {
		return s.FormPost(w, FormPost{Client: "Docs", Action: testApp, Values: values})
	})
	inputs := formOf(page, testApp)
	got := map[string]string{}
	for _, g := range inputs {
		if g.has("name") {
			got[g.attrs["name"]] = g.attrs["value"]
		}
	}
	if len(got) != len(values) || !slices.ContainsFunc(inputs, func(g tag) bool { return g.name == "button" && !g.has("type") && !g.has("name") }) {
		t.Errorf("the form has %v", inputs)
	}
	for name, value := range values {
		if have, is := got[name]; !is || have != value {
			t.Errorf("%s is %q, want %q", name, have, value)
		}
	}
	scripts := slices.DeleteFunc(tags(page), func(g tag) bool { return g.name != "script" })
	if len(scripts) != 1 || !strings.Contains(string(s.Assets()[scripts[0].attrs["src"]].Body), "submit()") {
		t.Errorf("the page has the scripts %v", scripts)
	}
}

// TestFormPostNeverRunsAScript, even if it were given an address that is one.
func TestFormPostNeverRunsAScript(t *testing.T) {
	t.Parallel()
	page := written(t, func(w io.Writer) error {
		return testSet(t).FormPost(w, FormPost{Action: "javascript:alert(1)", Values: map[string]string{"code": "c"}})
	})
	if strings.Contains(page, "javascript:") {
		t.Error("the form's action is a script")
	}
}
