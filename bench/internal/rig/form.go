package rig

import (
	"bytes"
	"fmt"
	"html"
)

// form finds the form of a page that has a field or button of this name, with
// the names and values that it sends unseen. It is read by hand: regular
// expressions took a sixth of the generator's time, which is taken from what is
// measured.
func form(page []byte, field string) (action string, unseen []string, err error) {
	name := []byte(`name="` + field + `"`)
	for rest := page; ; {
		_, after, found := bytes.Cut(rest, []byte("<form"))
		if !found {
			return "", nil, fmt.Errorf("the page has no form with %q: %.600s", field, page)
		}
		tag, after, _ := bytes.Cut(after, []byte(">"))
		body, after, closed := bytes.Cut(after, []byte("</form>"))
		_, to, acts := bytes.Cut(tag, []byte(` action="`))
		if rest = after; !closed || !acts || !bytes.Contains(body, name) {
			continue
		}
		to, _, _ = bytes.Cut(to, []byte(`"`))
		return html.UnescapeString(string(to)), hidden(body), nil
	}
}

// hidden are a form's hidden inputs.
func hidden(body []byte) (pairs []string) {
	for {
		_, after, found := bytes.Cut(body, []byte(`<input type="hidden" name="`))
		if !found {
			return pairs
		}
		name, after, _ := bytes.Cut(after, []byte(`"`))
		value, is := bytes.CutPrefix(after, []byte(` value="`))
		if body = after; is {
			value, _, _ = bytes.Cut(value, []byte(`"`))
			pairs = append(pairs, html.UnescapeString(string(name)), html.UnescapeString(string(value)))
		}
	}
}
