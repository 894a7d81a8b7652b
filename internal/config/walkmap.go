package config

import (
	"reflect"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// field is one key that a struct understands.
type field struct {
	name  string
	tag   reflect.StructTag
	index []int
}

// fieldsOf lists the keys of a struct in order, those of embedded structs at
// their place. The key * is not one of the file's: it takes an entry's name.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Anonymous {
			for _, f := range fieldsOf(sf.Type) {
				out = append(out, field{f.name, f.tag, append([]int{i}, f.index...)})
			}
			continue
		}
		if name := sf.Tag.Get("key"); name != "" && name != "-" && name != "*" {
			out = append(out, field{name, sf.Tag, []int{i}})
		}
	}
	return out
}

// wordForm is what a mistyped key may look like.
var wordForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,39}$`)

// nameField finds the field with the key *, which makes a slice of the struct a
// mapping in the file.
func nameField(t reflect.Type) (index int, ok bool) {
	if t.Kind() != reflect.Struct {
		return 0, false
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("key") == "*" {
			return i, true
		}
	}
	return 0, false
}

// mapping decodes a node into a struct, then sees to the keys that are absent.
func (w *walker) mapping(p place, v reflect.Value) {
	fields := fieldsOf(v.Type())
	byName := map[string]field{}
	names := make([]string, len(fields))
	for i, f := range fields {
		byName[f.name], names[i] = f, f.name
	}
	seen := map[string]bool{}
	ok := w.each(p, func(e place, name string) {
		f, known := byName[name]
		switch {
		case !known && !wordForm.MatchString(name):
			// Probably the rest of a value that was cut at a comma, and
			// possibly a secret, so it is not repeated.
			w.also(e.line, p.key, "holds something that is not a key; put quotes around values that hold commas, colons or braces")
			return
		case !known:
			w.add(e.line, e.key, "is not a known key; %s", meant(name, names, "remove it, or see config.example.yaml for all keys"))
			return
		}
		seen[name] = true
		w.value(e, v.FieldByIndex(f.index), f.tag)
	})
	if !ok {
		return
	}
	for _, f := range fields {
		if seen[f.name] {
			continue
		}
		if hint := f.tag.Get("required"); hint != "" {
			w.add(p.line, join(p.key, f.name), "is missing; add it: %s", hint)
			continue
		}
		setDefault(v.FieldByIndex(f.index), f.tag)
	}
}

// each calls do for every entry of a mapping, once for each name.
func (w *walker) each(p place, do func(e place, name string)) bool {
	list, ok := entries(p.node)
	if !ok {
		w.add(p.line, p.key, "must be keys with values, not a %s", kindOf(p.node))
		return false
	}
	first := map[string]int{}
	for _, entry := range list {
		var name string
		var line int
		switch k := entry.Key.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
			name, line = k.GetToken().Value, lineOfNode(k)
		default:
			w.also(lineOfNode(entry.Key), p.key, "has a key that is not a plain word, such as a merge key, which is not supported; write the keys out")
			continue
		}
		e := place{entry.Value, join(p.key, name), line}
		if before, twice := first[name]; twice {
			w.also(line, e.key, "is written twice, first on line %d; keep one of the two", before)
			continue
		}
		first[name] = line
		do(e, name)
	}
	return true
}

// list decodes a slice: from a mapping where its element takes a name, else
// from a sequence.
func (w *walker) list(p place, v reflect.Value, tag reflect.StructTag) {
	elem := v.Type().Elem()
	if named, ok := nameField(elem); ok {
		w.each(p, func(e place, name string) {
			item := reflect.New(elem).Elem()
			item.Field(named).SetString(name)
			w.items[p.key] = append(w.items[p.key], e.key)
			w.value(e, item, "")
			v.Set(reflect.Append(v, item))
		})
		w.notEmpty(p, v, tag)
		return
	}
	seq, ok := p.node.(*ast.SequenceNode)
	if !ok {
		w.add(p.line, p.key, "must be a list, such as [a, b], not a %s", kindOf(p.node))
		return
	}
	keys := itemKeys(p.key, seq)
	w.items[p.key] = keys
	v.Set(reflect.MakeSlice(v.Type(), len(keys), len(keys)))
	for i, n := range seq.Values {
		// Items that failed stay as zero values, so that indexes keep meaning
		// the same in the struct, in the file and in problems.
		w.value(place{n, keys[i], lineOfNode(n)}, v.Index(i), tag)
	}
	w.notEmpty(p, v, tag)
}

func (w *walker) notEmpty(p place, v reflect.Value, tag reflect.StructTag) {
	if hint := tag.Get("required"); hint != "" && v.Len() == 0 && !w.broken[p.key] {
		w.add(p.line, p.key, "is empty; add %s", hint)
	}
}

// itemKeys addresses the items of a list: by id or username where they have one
// that is theirs alone so far, else by index.
func itemKeys(parent string, seq *ast.SequenceNode) []string {
	keys := make([]string, len(seq.Values))
	taken := map[string]bool{}
	for i, n := range seq.Values {
		keys[i] = parent + "[" + strconv.Itoa(i) + "]"
		id := idOf(n)
		if byID := parent + "[" + segment(id) + "]"; id != "" && !taken[byID] {
			keys[i] = byID
		}
		taken[keys[i]] = true
	}
	return keys
}

func idOf(n ast.Node) string {
	list, _ := entries(n)
	for _, e := range list {
		name := e.Key.GetToken().Value
		s, ok := e.Value.(*ast.StringNode)
		if ok && (name == "id" || name == "username") {
			return s.Value
		}
	}
	return ""
}

// stringMap decodes a map of texts whose order does not matter.
func (w *walker) stringMap(p place, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	w.each(p, func(e place, name string) {
		var text string
		w.value(e, reflect.ValueOf(&text).Elem(), "")
		v.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(text))
	})
}

// kindOf names what a node is, in the words of somebody who wrote the file.
func kindOf(n ast.Node) string {
	if _, ok := entries(n); ok {
		return "mapping"
	}
	if _, ok := n.(*ast.SequenceNode); ok {
		return "list"
	}
	return "single value"
}
