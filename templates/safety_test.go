package templates

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

var hostile = []string{
	`"><script>alert(1)</script>`,
	`' onfocus=alert(1) autofocus x='`,
	"x\" onfocus=\"alert(1)\" style=\"display:none",
	"javascript:alert(1)",
	"</title></head><body><h1>another</h1>",
	"--></form><form action=//elsewhere.example method=post>",
	"{{.}} {{template \"layout\"}}",
	"`${alert(1)}`",
	"line\nbreak\ttab & &amp; &quot;",
}

// shape is what a browser builds from a page, without the texts.
func shape(page string) string {
	var b strings.Builder
	for _, g := range tags(page) {
		b.WriteString(g.name + "[" + strings.Join(g.order, " ") + "]\n")
	}
	return b.String()
}

func TestHostileTextChangesNoShape(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	harmless := everyPage(t, s, "x")
	for _, text := range hostile {
		for name, page := range everyPage(t, s, text) {
			if got, want := shape(page), shape(harmless[name]); got != want {
				t.Errorf("%s with %q: the page has other tags or attributes:\n%s", name, text, got)
			}
		}
	}
}

func TestHostileBrandChangesNoShape(t *testing.T) {
	t.Parallel()
	harmless := everyPage(t, newSet(t, Brand{Product: "x", Support: "x"}), "x")
	for _, text := range hostile {
		for name, page := range everyPage(t, newSet(t, Brand{Product: text, Support: text}), "x") {
			if shape(page) != shape(harmless[name]) {
				t.Errorf("%s: brand %q changes the page", name, text)
			}
		}
	}
}

func TestHiddenFieldsKeepTheirValue(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	for _, text := range hostile {
		seen := 0
		for name, page := range everyPage(t, s, text) {
			for _, g := range tags(page) {
				if g.attrs["type"] != "hidden" {
					continue
				}
				if seen++; g.attrs["value"] != text {
					t.Errorf("%s: hidden %s is %q, want %q", name, g.attrs["name"], g.attrs["value"], text)
				}
			}
		}
		if seen == 0 {
			t.Fatal("no hidden field on any page")
		}
	}
}

func TestNothingIsInline(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	for _, text := range append(hostile, "x") {
		for name, page := range everyPage(t, s, text) {
			for _, g := range tags(page) {
				for attr := range g.attrs {
					if strings.EqualFold(attr, "style") || strings.HasPrefix(strings.ToLower(attr), "on") {
						t.Errorf("%s: <%s> has %s", name, g.name, attr)
					}
				}
				if g.name == "style" || g.name == "script" && g.attrs["src"] == "" {
					t.Errorf("%s: inline <%s>", name, g.name)
				}
			}
		}
	}
}

// Every address on a page is the broker's own, except the product's help and the
// app that an answer is posted to; and every asset a page asks for exists.
func TestNoForeignAddresses(t *testing.T) {
	t.Parallel()
	s := newSet(t, Brand{Product: "P", Help: "https://help.northwind.example/", Logo: true})
	assets := append(slices.Collect(maps.Keys(s.Assets())), LogoPath)
	for _, text := range append(hostile, "//elsewhere.example/") {
		for name, page := range everyPage(t, s, text) {
			for _, g := range tags(page) {
				for _, attr := range []string{"href", "src", "action"} {
					to, ok := g.attrs[attr]
					switch {
					case !ok, to == s.brand.Help && g.name == "a", to == testApp && g.attrs["id"] == "form-post":
					case !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//"):
						t.Errorf("%s: <%s> leads to %q", name, g.name, to)
					case strings.HasPrefix(to, "/assets/") && !slices.Contains(assets, to):
						t.Errorf("%s: <%s> asks for %q, which does not exist", name, g.name, to)
					}
				}
			}
		}
	}
	for path, asset := range s.Assets() {
		if strings.HasSuffix(path, ".svg") {
			continue // names its namespace
		}
		text := string(asset.Body)
		for _, bad := range []string{"http:", "https:", "url(", "@import", "eval("} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %q", path, bad)
			}
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrorsAreReported(t *testing.T) {
	t.Parallel()
	if err := testSet(t).SignedOut(brokenPipe{}, SignedOut{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

// A name that is written from right to left would otherwise take the number
// after it, and the name after that, to its other side.
func TestNamesTurnNothingAroundThem(t *testing.T) {
	t.Parallel()
	const name = "ليلى"
	for page, html := range everyPage(t, testSet(t), name) {
		for _, line := range strings.Split(html, "\n") {
			if strings.HasPrefix(line, "<title>") {
				continue // it cannot hold an element
			}
			if strings.Contains(line, name+" · ") || strings.Contains(line, name+", <time") {
				t.Errorf("%s: the name is not set apart: %s", page, line)
			}
		}
	}
}
