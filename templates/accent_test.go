package templates

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var tokenPattern = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{3,6})\b`)

// tokens reads the colours a browser in the given mode would use.
func tokens(t *testing.T, css string, dark bool) map[string]colour {
	t.Helper()
	out := map[string]colour{}
	for _, block := range regexp.MustCompile(`(?s)(@media \(prefers-color-scheme: dark\) \{\s*)?:root \{.*?\}`).FindAllString(css, -1) {
		if strings.HasPrefix(block, "@media") && !dark {
			continue
		}
		for _, m := range tokenPattern.FindAllStringSubmatch(block, -1) {
			c, err := parseColour(m[2])
			if err != nil {
				t.Fatalf("%s: %v", m[0], err)
			}
			out[m[1]] = c
		}
	}
	return out
}

func TestColoursCanBeReadForAnyAccent(t *testing.T) {
	t.Parallel()
	accents := []string{"#000000", "#ffffff", "#ffff00", "#0000ff", "#ff0000", "#00ff00", "#808080", "#0b6e4f", "#767676", "#777777", "#fefefe", "#010101"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		accents = append(accents, fmt.Sprintf("#%06x", r.IntN(1<<24)))
	}
	surfaces := []string{"bg", "card", "tint"}
	for _, accent := range accents {
		c, err := parseColour(accent)
		if err != nil {
			t.Fatal(err)
		}
		css := accentCSS(c) + styleText + string(ownerStyleText)
		for _, dark := range []bool{false, true} {
			is := tokens(t, css, dark)
			check := func(ink, on string, least float64) {
				a, okA := is[ink]
				b, okB := is[on]
				if !okA || !okB {
					t.Fatalf("the style sheet has no --%s or --%s", ink, on)
				}
				if got := contrast(a, b); got < least {
					t.Errorf("accent %s, dark %v: %s %v on %s %v has %.2f, want %.1f", accent, dark, ink, a, on, b, got, least)
				}
			}
			check("accent-ink", "accent", 4.5)
			for _, on := range surfaces {
				check("accent-text", on, 4.5)
				check("ink", on, 7)
				check("soft", on, 4.5)
			}
			check("end", "card", 4.5)
			check("end", "wait-tint", 4.5) // Cancel PIN in a notice
			check("end", "end-tint", 3)    // a drawing
			check("wait", "card", 3)       // an outline
			check("wait", "wait-tint", 4.5)
			check("ink", "wait-tint", 7)
			check("accent-text", "wait-tint", 3) // a focus outline beside it
			check("edge", "card", 3)             // outlines of inputs
		}
	}
}

func TestLightModeKeepsTheBrandsColour(t *testing.T) {
	t.Parallel()
	for _, accent := range []string{"#0b6e4f", "#2b5bd7", "#ffd400"} {
		s := newSet(t, Brand{Accent: accent})
		if got := tokens(t, string(s.Stylesheet()), false)["accent"].String(); got != accent {
			t.Errorf("buttons are %s, want the brand's %s", got, accent)
		}
	}
}

func TestLighteningKeepsTheHue(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"#0b6e4f", "#2b5bd7", "#b00020", "#5a2ca0"} {
		c, err := parseColour(in)
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := c.hsl()
		out := darkPalette(c).accent
		after, saturation, _ := out.hsl()
		if d := before - after; d > 3 || d < -3 || saturation < 0.3 {
			t.Errorf("%s became %s: hue %.0f to %.0f, saturation %.2f", in, out, before, after, saturation)
		}
	}
}

func TestNewRefusesBadBrands(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]Brand{
		"accent by name":      {Accent: "green"},
		"accent of three":     {Accent: "#abc"},
		"accent with a sign":  {Accent: "#+bcdef"},
		"accent with CSS":     {Accent: "#0b6e4f;}"},
		"accent without hash": {Accent: "0b6e4f0"},
		"help runs a script":  {Help: "javascript:alert(1)"},
		"script with a host":  {Help: "javascript://help.example/%0aalert(1)"},
		"help without scheme": {Help: "help.northwind.example"},
		"help without host":   {Help: "https:///x"},
		"help is no URL":      {Help: "https://%zz"},
	} {
		if _, err := New(b); err == nil || !strings.HasPrefix(err.Error(), "brand.") {
			t.Errorf("%s: got %v, want an error that names the key", name, err)
		}
	}
}

func TestBrandDefaults(t *testing.T) {
	t.Parallel()
	page := allPages(t, newSet(t, Brand{Product: "Acme"}), "x")["code"]
	if !strings.Contains(page, "Acme Support</title>") || strings.Contains(page, "Help for") || strings.Contains(page, "<img") {
		t.Error("without support, help and logo the page should name Acme Support and have no help link and no picture")
	}
	page = allPages(t, newSet(t, Brand{Help: "mailto:help@northwind.example", Logo: true}), "x")["code"]
	if !strings.Contains(page, `href="mailto:help@northwind.example"`) || !strings.Contains(page, `src="`+LogoPath+`"`) {
		t.Error("the page should link to the help address and show the logo")
	}
}

func TestAssetNamesFollowTheirContent(t *testing.T) {
	t.Parallel()
	a, same, other := newSet(t, Brand{Accent: "#0b6e4f"}), newSet(t, Brand{Accent: "#0b6e4f"}), newSet(t, Brand{Accent: "#0b6e50"})
	if a.style != same.style || a.style == other.style || a.script != other.script {
		t.Errorf("style %s, %s, %s; script %s, %s", a.style, same.style, other.style, a.script, other.script)
	}
	for path, want := range map[string]string{a.style: "text/css", a.script: "text/javascript", a.icon: "image/svg+xml"} {
		if got := a.Assets()[path]; !strings.HasPrefix(got.Type, want) || len(got.Body) == 0 {
			t.Errorf("%s: %q with %d bytes", path, got.Type, len(got.Body))
		}
	}
	if !bytes.Equal(a.Stylesheet(), a.Assets()[a.style].Body) || !bytes.Equal(a.Script(), a.Assets()[a.script].Body) {
		t.Error("Stylesheet and Script are not what is served")
	}
	if bytes.Contains(a.Assets()[a.icon].Body, []byte("ACCENT")) {
		t.Error("the icon has no colour")
	}
}
