package provider

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseIsParseForm: whatever is posted, and however, is read as net/http reads
// it, and what was posted before is not in it.
func TestParseIsParseForm(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "a=b", "a=b&a=c", "a", "=", "&&", "a=%zz", "a=%zz&b=c", "a=b;c=d", "a=%00&%C3%A9=%E2%82%AC", "a=" + strings.Repeat("x", usualBody-2),
		"a=" + strings.Repeat("x", usualBody-1), "a=" + strings.Repeat("x", maxBody)} {
		for name, change := range map[string]func(*http.Request){
			"as it is":     func(*http.Request) {},
			"with a query": func(r *http.Request) { r.URL.RawQuery = "a=q&z=1" },
			"in chunks":    func(r *http.Request) { r.ContentLength = -1 },
			"cut short":    func(r *http.Request) { r.ContentLength += 3; r.Body = io.NopCloser(short{r.Body}) },
			"asked as GET": func(r *http.Request) { r.Method = http.MethodGet },
			"of another type": func(r *http.Request) {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			},
		} {
			ask := func() *http.Request {
				r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				change(r)
				r.Body = http.MaxBytesReader(nil, r.Body, maxBody)
				return r
			}
			got, want := ask(), ask()
			gotErr, wantErr := parse(got), want.ParseForm()
			if (gotErr == nil) != (wantErr == nil) {
				t.Errorf("%.20q of %d bytes %s: %v, want %v", body, len(body), name, gotErr, wantErr)
			}
			if gotErr != nil || wantErr != nil {
				continue
			}
			if diff := cmp.Diff([]url.Values{want.Form, want.PostForm}, []url.Values{got.Form, got.PostForm}); diff != "" {
				t.Errorf("%.20q of %d bytes %s: %s", body, len(body), name, diff)
			}
		}
	}
}

// short ends before it should.
type short struct{ io.Reader }

func (s short) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err == io.EOF { //nolint:errorlint // as readers return it
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
