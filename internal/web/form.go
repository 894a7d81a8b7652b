package web

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxForm bounds a posted form, in bytes.
const maxForm = 64 << 10

// Form reads a form that was posted, and shows a page where it is not whole:
// which of two values is meant is not guessed. Only fields whose name begins
// with lists, if that is not empty, may come several times.
func (p *Pages) Form(w http.ResponseWriter, r *http.Request, lists string) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.ParseForm() == nil && r.URL.RawQuery == "" && whole(r.PostForm, lists) {
		return true
	}
	p.Fail(w, r, http.StatusBadRequest, "The form cannot be read.")
	return false
}

// Query reads the query of a page's address, and shows a page where it is not
// whole.
func (p *Pages) Query(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil && whole(query, "") {
		return query, true
	}
	p.Fail(w, r, http.StatusBadRequest, "The address cannot be read.")
	return nil, false
}

// whole reports whether every field has one value, and every value is text that
// a database takes.
func whole(f url.Values, lists string) bool {
	for name, values := range f {
		if len(values) > 1 && (lists == "" || !strings.HasPrefix(name, lists)) {
			return false
		}
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return false
			}
		}
	}
	return true
}
