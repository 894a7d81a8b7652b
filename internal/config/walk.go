package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxBytes bounds a file; real ones are a few kilobytes.
const maxBytes = 1 << 20

// walker carries one reading of one file: the walk over its nodes, then the
// check of its values.
type walker struct {
	name     string
	dir      string // absolute folder of the file where it can be known
	env      func(string) (string, bool)
	lines    map[string]int      // line of every key that is in the file
	broken   map[string]bool     // keys whose value could not be had
	items    map[string][]string // keys of the items of each list or named map
	problems Problems
	warnings Problems
}

// place is a node together with where it stands.
type place struct {
	node ast.Node
	key  string // dotted path
	line int    // of the key; of the node for list items
}

// nodeDecoder is implemented by values whose form in the file is not the one
// their Go type suggests.
type nodeDecoder interface {
	decodeNode(w *walker, p place)
}

func newWalker(name string, env func(string) (string, bool)) *walker {
	dir := filepath.Dir(name)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &walker{
		name: name, dir: dir, env: env,
		lines: map[string]int{}, broken: map[string]bool{}, items: map[string][]string{},
	}
}

// add reports that the value of a key cannot be had. Nothing else is then said
// about it, nor about what would be below it.
func (w *walker) add(line int, key, format string, args ...any) {
	w.broken[key] = true
	w.also(line, key, format, args...)
}

// also reports a problem beside which others of the same key make sense.
func (w *walker) also(line int, key, format string, args ...any) {
	w.problems = append(w.problems, Problem{w.name, max(line, 1), key, fmt.Sprintf(format, args...)})
}

// file parses and walks the whole file into c. It reports false where there is
// nothing to check because the text is not one YAML mapping.
func (w *walker) file(data []byte, c *Config) bool {
	if len(data) > maxBytes {
		w.add(1, "", "is larger than 1 MiB; a configuration file is a few kilobytes, so check that this is the right file")
		return false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors put it there, and nobody sees it
	// Repeated keys are let through here because the walk reports all of them,
	// with both lines, where the parser would stop at the first.
	f, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		w.syntax(err)
		return false
	}
	var body ast.Node
	switch len(f.Docs) {
	case 0:
	case 1:
		body = f.Docs[0].Body
	default:
		w.add(lineOfNode(f.Docs[1].Body), "", "holds several YAML documents; keep one and remove the --- between them")
		return false
	}
	if body == nil {
		w.add(1, "", "is empty; start from config.example.yaml")
		return false
	}
	if _, ok := entries(body); !ok {
		w.add(lineOfNode(body), "", "must be keys with values, such as issuer: https://access.example.com; start from config.example.yaml")
		return false
	}
	w.mapping(place{body, "", 1}, reflect.ValueOf(c).Elem())
	return true
}

// syntax reports what the parser could not read. Only its message is used: its
// full text quotes the lines around the place, which may hold secrets.
func (w *walker) syntax(err error) {
	line, msg := 1, "the parser gave up"
	if se := (*yaml.SyntaxError)(nil); errors.As(err, &se) {
		msg = se.Message
		if se.Token != nil && se.Token.Position != nil {
			line = se.Token.Position.Line
		}
	}
	msg, _, _ = strings.Cut(msg, "\n")
	w.add(line, "", "is not valid YAML: %s; correct this first, other problems show afterwards", msg)
}

// value decodes one node into v. tag is that of the struct field it belongs to.
func (w *walker) value(p place, v reflect.Value, tag reflect.StructTag) {
	w.lines[p.key] = p.line
	if !w.supported(p) {
		return
	}
	if d, ok := v.Addr().Interface().(nodeDecoder); ok {
		d.decodeNode(w, p)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		w.value(p, v.Elem(), tag)
	case reflect.Map:
		w.stringMap(p, v)
	case reflect.Slice:
		w.list(p, v, tag)
	case reflect.Struct:
		if !isText(v.Type()) {
			w.mapping(p, v)
			return
		}
		fallthrough
	default:
		w.scalar(p, v, tag)
	}
}

// supported refuses what a configuration file does without: absent values, and
// the parts of YAML that make a text mean something else than it shows.
func (w *walker) supported(p place) bool {
	switch p.node.(type) {
	case nil, *ast.NullNode:
		w.add(p.line, p.key, "has no value; write one or remove the key")
	case *ast.AnchorNode, *ast.AliasNode:
		w.add(p.line, p.key, "uses a YAML anchor or alias, which are not supported; write the value out")
	case *ast.TagNode:
		w.add(p.line, p.key, "uses a YAML tag, which is not supported; remove the word that begins with !")
	default:
		return true
	}
	return false
}

// entries returns the entries of a mapping, and false for any other node.
func entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

func lineOfNode(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 1
	}
	return n.GetToken().Position.Line
}

// lineOf looks a key up, then the keys above it.
func lineOf(lines map[string]int, key string) int {
	for key != "" {
		if line, ok := lines[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 1
}

// join appends a segment to a path. A segment that could not be printed as it
// is comes out quoted, so that one problem stays one line.
func join(parent, name string) string {
	if parent == "" {
		return segment(name)
	}
	return parent + "." + segment(name)
}

func segment(name string) string {
	const most = 64
	plain := name != ""
	for _, r := range name {
		plain = plain && r > ' ' && r < 0x7f && r != '"'
	}
	if len(name) > most {
		name, plain = name[:most]+"…", false
	}
	if plain {
		return name
	}
	return strconv.Quote(name)
}
