package config

import (
	"encoding/json"

	"github.com/goccy/go-yaml/ast"
)

// JWKS is a JSON Web Key Set (RFC 7517 section 5) written into the file, whether
// as YAML or as the JSON it is elsewhere: the keys in order, each as JSON. What
// makes a key a good one is not known here. A key that could not be had is nil.
type JWKS []json.RawMessage

func (s *JWKS) decodeNode(w *walker, p place) {
	empty := true
	ok := w.each(p, func(e place, name string) {
		empty = false
		if name != "keys" {
			w.add(e.line, e.key, "is not a member of a key set; %s", meant(name, []string{"keys"}, "write {keys: […]}"))
			return
		}
		w.lines[e.key] = e.line
		seq, is := e.node.(*ast.SequenceNode)
		if !is {
			w.add(e.line, e.key, "must be a list of keys, not a %s", kindOf(e.node))
			return
		}
		empty = len(seq.Values) == 0
		for i, key := range itemKeys(e.key, seq) {
			item := place{seq.Values[i], key, lineOfNode(seq.Values[i])}
			w.lines[key] = item.line
			*s = append(*s, w.webKey(item))
		}
	})
	if ok && empty {
		w.add(p.line, p.key, "holds no key; write {keys: […]} with the client's public keys")
	}
}

// webKey reads a JSON Web Key, whose members are texts and lists of texts.
func (w *walker) webKey(p place) json.RawMessage {
	out := map[string]any{}
	good := w.supported(p) && w.each(p, func(e place, name string) {
		values := w.texts(e)
		if _, list := e.node.(*ast.SequenceNode); list || len(values) != 1 {
			out[name] = values
			return
		}
		out[name] = values[0]
	})
	text, err := json.Marshal(out)
	if err != nil || !good {
		return nil
	}
	return text
}
