package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestForm: which of two values is meant is never guessed.
func TestForm(t *testing.T) {
	t.Parallel()
	p, _ := newPages(t)
	for _, c := range []struct {
		query, body, lists string
		whole              bool
	}{
		{"", "account=1&pin=2", "", true},
		{"", "account=1&account=1", "", false},
		{"", "account=1&%61ccount=2", "", false},
		{"", "scope.a=1&scope.a=2&policy=a", "scope.", true},
		{"", "scope.a=1&scope.a=2", "", false},
		{"", "policy=a&policy=b&scope.a=1", "scope.", false},
		{"", "account=1;pin=2", "", false},
		{"", "account=%zz", "", false},
		{"", "account=a%00b", "", false},
		{"", "account=%ff", "", false},
		{"pin=1", "account=1", "", false},
		{"", "account=" + strings.Repeat("1", maxForm), "", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/redeem?"+c.query, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		if p.Form(w, r, c.lists) != c.whole || !c.whole && w.Code != http.StatusBadRequest {
			t.Errorf("%.60s with %q: %d", c.body, c.query, w.Code)
		}
	}
}

// TestQuery: a pair that cannot be read is not dropped in silence.
func TestQuery(t *testing.T) {
	t.Parallel()
	p, _ := newPages(t)
	for query, whole := range map[string]bool{"": true, "r=1&connector=a": true, "r=1&r=2": false, "r=1&x=%zz": false, "r=1;x=2": false, "r=%00": false} {
		r := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		if _, got := p.Query(w, r); got != whole || !whole && w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d", query, w.Code)
		}
	}
}
