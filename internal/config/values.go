package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

const redacted = "[redacted]"

// Secret is a text that prints as [redacted] wherever it is printed, logged or
// encoded.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// Format implements fmt.Formatter, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, also for map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Path is a file's path. A relative one in the file is relative to the folder
// of the configuration file, and is already resolved here; empty means none.
type Path string

func (f *Path) decodeNode(w *walker, p place) {
	if t, ok := w.text(p); ok {
		*f = Path(w.resolve(t.s))
	}
}

func (w *walker) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(w.dir, path)
}

// Database says where the broker keeps its state: at most one of the fields is
// not empty.
type Database struct {
	// SQLite is the resolved path of an embedded database.
	SQLite Path
	// Postgres is a connection URL, which may hold a password.
	Postgres Secret
}

// isZero tells whether no database is named.
func (d Database) isZero() bool { return d == Database{} }

func (d *Database) decodeNode(w *walker, p place) {
	t, ok := w.text(p)
	if !ok || t.s == "" {
		return // whether it may be empty depends on the key
	}
	if file, ok := strings.CutPrefix(t.s, "sqlite:"); ok {
		switch {
		case file == "", strings.HasPrefix(file, ":"), strings.ContainsAny(file, "?#"):
			w.add(p.line, p.key, "must name a file after sqlite:, such as sqlite:valetkey.db")
		default:
			d.SQLite = Path(w.resolve(file))
		}
		return
	}
	if !isPostgres(t.s) {
		w.add(p.line, p.key, "must be sqlite:FILE or a URL such as postgres://user@host:5432/valetkey")
		return
	}
	d.Postgres = Secret(t.s)
}

// ClaimRules are conditions on a person's claims, in the order of the file.
// Every one must hold.
type ClaimRules []ClaimRule

// ClaimRule holds for a person whose claim has one of the values.
type ClaimRule struct {
	Claim  string // literal name, dots included
	Values []string
}

func (r *ClaimRules) decodeNode(w *walker, p place) {
	ok := w.each(p, func(e place, name string) {
		values := w.texts(e)
		if len(values) == 0 && !w.broken[e.key] {
			w.add(e.line, e.key, "allows no value, so nobody could match; write at least one")
		}
		*r = append(*r, ClaimRule{name, values})
	})
	if ok && len(*r) == 0 {
		w.add(p.line, p.key, "names no claim, so everybody would match; write a claim and its values, such as {groups: [support]}")
	}
}

// Claims are a person's claims; in the file each is a value or a list.
type Claims map[string][]string

func (c *Claims) decodeNode(w *walker, p place) {
	*c = Claims{}
	w.each(p, func(e place, name string) { (*c)[name] = w.texts(e) })
}

// MayRules are what people can lend at most, in the order of the file.
type MayRules []MayRule

// MayRule lets a person whose claim has the value lend the scopes.
type MayRule struct {
	Claim  string // literal name, dots included
	Value  string
	Scopes []string // names or patterns
}

func (r *MayRules) decodeNode(w *walker, p place) {
	w.each(p, func(claim place, name string) {
		w.lines[claim.key] = claim.line
		if !w.supported(claim) {
			return
		}
		w.each(claim, func(e place, value string) {
			*r = append(*r, MayRule{name, value, w.texts(e)})
		})
	})
}

// texts reads a list of single values, or one value in place of a list. Numbers
// and truth values count as the text they are written as.
func (w *walker) texts(p place) []string {
	w.lines[p.key] = p.line
	if !w.supported(p) {
		return nil
	}
	seq, isList := p.node.(*ast.SequenceNode)
	if !isList {
		if t, ok := w.text(p); ok {
			return []string{t.s}
		}
		return nil
	}
	out := make([]string, len(seq.Values))
	keys := itemKeys(p.key, seq)
	for i, n := range seq.Values {
		e := place{n, keys[i], lineOfNode(n)}
		w.lines[e.key] = e.line
		if !w.supported(e) {
			continue
		}
		if t, ok := w.text(e); ok {
			out[i] = t.s
		}
	}
	return out
}

func (r *RedeemWithin) decodeNode(w *walker, p place) {
	if _, ok := entries(p.node); !ok {
		var d time.Duration
		w.scalar(p, reflect.ValueOf(&d).Elem(), "")
		r.Choices, r.Default = []time.Duration{d}, d
		return
	}
	w.mapping(p, reflect.ValueOf(r).Elem())
	if r.Default == 0 && len(r.Choices) > 0 {
		r.Default = r.Choices[0]
	}
}

func (u *Uses) decodeNode(w *walker, p place) {
	t, ok := w.text(p)
	switch {
	case !ok:
	case t.s == "unlimited":
		u.Unlimited = true
	case t.quoted, setText(reflect.ValueOf(&u.N).Elem(), t.s) != nil, u.N == 0:
		w.add(p.line, p.key, "must be a whole number above 0, or unlimited; %s", meant(t.s, []string{"unlimited"}, "write one of the two"))
	}
}
