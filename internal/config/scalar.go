package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// text is a scalar as it was written, after ${NAME} has been expanded.
type text struct {
	s        string
	quoted   bool // a YAML string, quoted or plain, that holds no variable
	boolean  bool
	expanded bool // holds the value of a variable, so its YAML type says nothing
}

// text reads a scalar. It reports a problem and false for anything else.
func (w *walker) text(p place) (text, bool) {
	switch n := p.node.(type) {
	case *ast.StringNode:
		return w.expand(p, n.Value)
	case *ast.LiteralNode:
		return w.expand(p, n.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		// The written digits, not the number: a handle may begin with zeros.
		return text{s: n.GetToken().Value}, true
	case *ast.BoolNode:
		return text{s: n.GetToken().Value, boolean: true}, true
	}
	w.add(p.line, p.key, "must be a single value, not a %s", kindOf(p.node))
	return text{}, false
}

var variable = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand replaces each ${NAME} by the variable's value, which is not looked at
// again, and $${ by ${. A dollar sign before anything else stands for itself.
func (w *walker) expand(p place, s string) (text, bool) {
	var out strings.Builder
	expanded, good := false, true
	for s != "" {
		switch name := variable.FindStringSubmatch(s); {
		case name != nil:
			value, set := w.env(name[1])
			if !set {
				w.add(p.line, p.key, "needs the environment variable %s, which is not set; set it", name[1])
				good = false
			}
			out.WriteString(value)
			expanded, s = true, s[len(name[0]):]
		case strings.HasPrefix(s, "$${"):
			out.WriteString("${")
			s = s[len("$${"):]
		case strings.HasPrefix(s, "${"):
			w.add(p.line, p.key, "has a ${ that is not followed by a variable's name and }; write ${NAME}, or $${ for the two characters themselves")
			return text{}, false
		default:
			next := 1 + strings.IndexByte(s[1:], '$')
			if next == 0 {
				next = len(s)
			}
			out.WriteString(s[:next])
			s = s[next:]
		}
	}
	if strings.ContainsFunc(out.String(), unseen) {
		w.add(p.line, p.key, "holds a control character, which is not shown here; remove it")
		good = false
	}
	return text{s: out.String(), quoted: !expanded, expanded: expanded}, good
}

// unseen reports a control character that is no part of a text. Names reach
// pages, terminals and a database, which takes no null byte.
func unseen(r rune) bool {
	return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r)
}

// scalar decodes a single value into v.
func (w *walker) scalar(p place, v reflect.Value, tag reflect.StructTag) {
	t, ok := w.text(p)
	if !ok {
		return
	}
	if err := fits(t, v.Type()); err != nil {
		w.add(p.line, p.key, "%s", err)
		return
	}
	if err := setText(v, t.s); err != nil {
		w.add(p.line, p.key, "%s", err)
		return
	}
	oneof := strings.Fields(tag.Get("oneof"))
	switch hint := tag.Get("required"); {
	case hint != "" && t.s == "":
		w.add(p.line, p.key, "is empty; write %s", hint)
	case len(oneof) > 0 && !slices.Contains(oneof, t.s):
		w.add(p.line, p.key, "must be %s; %s", alternatives(oneof), meant(t.s, oneof, "write one of them"))
	case v.Type() == durationType && v.Int() == 0 && tag.Get("zero") == "":
		w.add(p.line, p.key, "must be longer than nothing, such as 30s")
	}
}

func alternatives(words []string) string {
	if len(words) == 1 {
		return words[0] + " or absent"
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// fits refuses a YAML type that does not suit the field. The value of a
// variable is text whatever it looks like, so it is up to setText alone.
func fits(t text, want reflect.Type) error {
	switch {
	case t.expanded:
		return nil
	case want.Kind() == reflect.String && t.boolean:
		return errors.New("must be text; put quotes around it")
	case want.Kind() == reflect.Bool && !t.boolean:
		return errors.New("must be true or false, without quotes")
	case want.Kind() == reflect.Int && t.quoted:
		return errors.New("must be a whole number, without quotes")
	}
	return nil
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	whole        = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)
)

// isText tells whether a struct type is written as a single value.
func isText(t reflect.Type) bool { return t == prefixType }

// setText decodes a text into v. Its errors say what to write, and never repeat
// the text.
func setText(v reflect.Value, s string) error {
	switch {
	case v.Type() == durationType:
		d, err := parseDuration(s)
		v.SetInt(int64(d))
		return err
	case v.Type() == prefixType:
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return errors.New("must be a network with its prefix length, such as 10.0.0.0/8, or 10.0.0.1/32 for one address")
		}
		v.Set(reflect.ValueOf(prefix.Masked()))
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		if s != "true" && s != "false" {
			return errors.New("must be true or false")
		}
		v.SetBool(s == "true")
	case v.Kind() == reflect.Int:
		if !whole.MatchString(s) {
			return errors.New("must be a whole number, such as 6")
		}
		n, _ := strconv.Atoi(s) // nine digits always fit
		v.SetInt(int64(n))
	default:
		panic(fmt.Sprintf("config: no text form for %s", v.Type()))
	}
	return nil
}

// setDefault fills in an absent key: its default, or those of a struct's keys.
func setDefault(v reflect.Value, tag reflect.StructTag) {
	def, has := tag.Lookup("default")
	switch {
	case has && v.Kind() == reflect.Slice:
		for _, word := range strings.Fields(def) {
			v.Set(reflect.Append(v, reflect.ValueOf(word)))
		}
	case has:
		if err := setText(v, def); err != nil {
			panic("config: bad default tag: " + err.Error())
		}
	case v.Kind() == reflect.Struct && !isText(v.Type()):
		for _, f := range fieldsOf(v.Type()) {
			setDefault(v.FieldByIndex(f.index), f.tag)
		}
	}
}

// longestDuration is ten years: longer ones are mistakes, and the sum of a few
// still fits a time.Duration.
const longestDuration = 3650 * 24 * time.Hour

var durationForm = regexp.MustCompile(`^(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?$`)

// parseDuration reads days, hours, minutes, seconds and milliseconds, each at
// most once and in this order: 7d, 1d12h, 90m, 250ms.
func parseDuration(s string) (time.Duration, error) {
	units := []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second, time.Millisecond}
	parts := durationForm.FindStringSubmatch(s)
	if parts == nil || s == "" {
		return 0, errors.New("must be a duration in whole d, h, m, s, largest unit first, such as 7d, 1d12h or 15m")
	}
	var sum time.Duration
	for i, unit := range units {
		n, _ := strconv.Atoi("0" + parts[i+1]) // absent counts as 0
		if time.Duration(n) > longestDuration/unit {
			return 0, errors.New("must be at most 3650d")
		}
		sum += time.Duration(n) * unit
	}
	if sum > longestDuration {
		return 0, errors.New("must be at most 3650d")
	}
	return sum, nil
}
