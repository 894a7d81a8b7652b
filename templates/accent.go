package templates

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// readable is the contrast that text needs (WCAG 2.2, success criterion 1.4.3).
const readable = 4.5

// colour is an sRGB colour in the eight bits per channel a style sheet carries:
// contrast is judged on what the browser gets, not on what was computed.
type colour struct{ r, g, b uint8 }

var (
	white = colour{255, 255, 255}
	black = colour{0, 0, 0}
)

func parseColour(s string) (colour, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "#"), 16, 32)
	if err != nil || len(s) != 7 || s[0] != '#' {
		return colour{}, errors.New(`must be a colour written as "#rrggbb"`)
	}
	return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, nil
}

func (c colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// luminance is WCAG's relative luminance, 0 for black to 1 for white.
func (c colour) luminance() float64 {
	linear := func(v uint8) float64 {
		f := float64(v) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is WCAG's ratio, 1 (none) to 21, the same in both directions.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// mix goes from a towards b by share, 0 to 1.
func mix(a, b colour, share float64) colour {
	part := func(x, y uint8) uint8 {
		return uint8(math.Round(float64(x) + (float64(y)-float64(x))*share))
	}
	return colour{part(a.r, b.r), part(a.g, b.g), part(a.b, b.b)}
}

// darken moves c towards black no further than it must until it can be read on
// every one of the light surfaces. Black always can.
func darken(c colour, surfaces ...colour) colour {
	const steps = 64
	for i := range steps {
		m, fits := mix(c, black, float64(i)/steps), true
		for _, s := range surfaces {
			fits = fits && contrast(m, s) >= readable
		}
		if fits {
			return m
		}
	}
	return black
}

// lighten raises lightness and keeps hue and saturation, so that a deep green
// becomes a fresh one and not a grey one. Colours without hue stay grey. It
// stops as soon as the colour can be read with ease on every surface; white,
// where it ends, always can be on a dark one.
func lighten(c colour, surfaces ...colour) colour {
	// A little more than must be: bright text on dark seems thinner than it is.
	const ease = readable + 1.5
	hue, saturation, lightness := c.hsl()
	for ; lightness < 1; lightness += 0.01 {
		m, fits := fromHSL(hue, min(saturation, 0.8), lightness), true
		for _, s := range surfaces {
			fits = fits && contrast(m, s) >= ease
		}
		if fits {
			return m
		}
	}
	return white
}

// inkOn is the colour of words on c. White is what people expect on a button,
// so it wins wherever it can be read; where it cannot, black can.
func inkOn(c colour) colour {
	if contrast(white, c) >= readable {
		return white
	}
	return black
}

// palette is everything whose colour follows from the accent, in one mode.
type palette struct {
	accent      colour // fill of the main button
	accentInk   colour // words on that fill
	accentText, // links, ticks and outlines on the surfaces below
	bg, card, tint, line colour
}

// lightPalette keeps the brand's colour as it is on buttons and darkens it only
// where it must be read as text.
func lightPalette(accent colour) palette {
	p := palette{accent: accent, accentInk: inkOn(accent), card: white}
	p.bg = mix(colour{0xf6, 0xf7, 0xf7}, accent, 0.02)
	p.tint = mix(white, accent, 0.07)
	p.line = mix(colour{0xe0, 0xe4, 0xe3}, accent, 0.05)
	p.accentText = darken(accent, p.card, p.bg, p.tint)
	return p
}

// darkPalette lightens the brand's colour until it can be read on dark
// surfaces, and uses that for buttons too.
func darkPalette(accent colour) palette {
	p := palette{card: mix(colour{0x17, 0x1b, 0x1b}, accent, 0.03)}
	p.bg = mix(colour{0x0e, 0x11, 0x11}, accent, 0.02)
	p.line = mix(colour{0x2d, 0x34, 0x33}, accent, 0.06)
	// The tint is of the lightened accent, or a black brand would have none.
	light := lighten(accent, p.card, p.bg)
	p.tint = mix(p.card, light, 0.09)
	p.accent = lighten(light, p.tint)
	p.accentInk, p.accentText = inkOn(p.accent), p.accent
	return p
}

func (p palette) css() string {
	return fmt.Sprintf(":root { --accent: %v; --accent-ink: %v; --accent-text: %v; --bg: %v; --card: %v; --tint: %v; --line: %v }\n",
		p.accent, p.accentInk, p.accentText, p.bg, p.card, p.tint, p.line)
}

// accentCSS is the head of the style sheet. The colours are written out here,
// once, because a policy without inline styles leaves no other place for them.
func accentCSS(accent colour) string {
	return lightPalette(accent).css() +
		"@media (prefers-color-scheme: dark) {\n" + darkPalette(accent).css() + "}\n"
}

// fillIcon colours the icon of the browser's tab.
func fillIcon(svg string, accent colour) []byte {
	return []byte(strings.NewReplacer("ACCENT", accent.String(), "INK", inkOn(accent).String()).Replace(svg))
}
