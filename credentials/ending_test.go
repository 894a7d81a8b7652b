package credentials

import (
	"strings"
	"testing"
)

func TestCursors(t *testing.T) {
	t.Parallel()
	for _, c := range []Cursor{{"e", 0}, {"a-b_c", 17}, {"-", 9223372036854775807}} {
		if got, ok := ParseCursor(c.String()); !ok || got != c {
			t.Errorf("%q is read as %+v, %v", c.String(), got, ok)
		}
	}
	for _, s := range []string{"", "-", "-5", "e", "e-", "e-x", "e--1", "e-+1", "e-01", "e-1 ", "e-9223372036854775808", strings.Repeat("e", 120) + "-1"} {
		if got, ok := ParseCursor(s); ok && got.String() != s || ok && got.N < 0 || ok && s != "e--1" {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add("epoch-12")
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := ParseCursor(s); ok && c.String() != s {
			t.Errorf("%q is read as %q", s, c)
		}
	})
}
