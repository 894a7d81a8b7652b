package revocation_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/revocation"
)

const issuer = "https://access.example"

// The test vector for lists of 1 bit in appendix C.1 of
// draft-ietf-oauth-status-list: which places are 1, and the list.
var (
	draftPlaces = []int64{0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345}
	draftList   = "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
		"AAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAAAAAAAAAAADjelAAAAAAAAAAAKjDMAQAA" +
		"AACAZC8L2AEb"
)

// inflated opens a lst as section 4 says.
func inflated(t testing.TB, lst string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(lst)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	bits, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return bits
}

// places are those whose bit is 1, the least significant bit of a byte first.
func places(bits []byte) []int64 {
	var out []int64
	for i, b := range bits {
		for ; b != 0; b &= b - 1 {
			for n := range int64(8) {
				if b&-b == 1<<n {
					out = append(out, int64(i)*8+n)
				}
			}
		}
	}
	return out
}

func same(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// lists are status lists over endings that the test sets.
type lists struct {
	*revocation.StatusLists
	ring   *keys.Ring
	mu     sync.Mutex
	view   revocation.View
	signed atomic.Int64
	broken error // of signing
}

func newLists(t testing.TB) *lists {
	t.Helper()
	key, err := keys.NewSigningKey(keys.ForAccess, "ES256", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keys.NewRing([]*keys.SigningKey{key})
	if err != nil {
		t.Fatal(err)
	}
	l := &lists{ring: ring}
	l.StatusLists = &revocation.StatusLists{Issuer: issuer, Now: time.Now, Past: time.Now, Logger: slog.New(slog.DiscardHandler),
		Clock: func() error { return nil },
		View: func() (revocation.View, <-chan struct{}) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.view, nil
		},
		Sign: func(payload []byte) (string, error) {
			l.signed.Add(1)
			if l.broken != nil {
				return "", l.broken
			}
			return ring.Sign(keys.ForAccess, "ES256", keys.TypStatusList, payload)
		}}
	return l
}

// end adds endings at these indexes, needed for as long, and confirms the log.
func (l *lists) end(needed time.Duration, indexes ...int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, index := range indexes {
		l.view.Cursor.N++
		l.view.Endings = append(l.view.Endings[:len(l.view.Endings):len(l.view.Endings)],
			credentials.Ending{N: l.view.Cursor.N, StatusIndex: index, NeededUntil: time.Now().Add(needed)})
	}
	l.view.Confirmed = time.Now()
}

func (l *lists) confirm() { l.end(0) }

func (l *lists) get(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	l.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// listClaims are what an app reads.
type listClaims struct {
	Iss, Sub   string
	Iat, Exp   int64
	TTL        int64
	StatusList struct {
		Bits int
		Lst  string
	} `json:"status_list"`
}

// read verifies a list as an app does, by the keys that are public.
func (l *lists) read(t testing.TB, w *httptest.ResponseRecorder) listClaims {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/statuslist+jwt" {
		t.Fatalf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	signed, err := jose.ParseSignedCompact(w.Body.String(), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	head := signed.Signatures[0].Protected
	if typ := head.ExtraHeaders["typ"]; typ != "statuslist+jwt" {
		t.Errorf("typ is %v", typ)
	}
	public := l.ring.Public()
	payload, err := signed.Verify(public.Key(head.KeyID)[0])
	if err != nil {
		t.Fatal(err)
	}
	var c listClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *lists) ended(t testing.TB, path string) []int64 {
	t.Helper()
	return places(inflated(t, l.read(t, l.get(http.MethodGet, path)).StatusList.Lst))
}

// TestStatusListIsTheDraftsOwn: what we make of the draft's example opens to the
// same bytes as what the draft prints, by code that is not ours.
func TestStatusListIsTheDraftsOwn(t *testing.T) {
	t.Parallel()
	want := inflated(t, draftList)
	if !same(places(want), draftPlaces) {
		t.Fatalf("this test reads the draft's own list as %v", places(want))
	}
	if small := inflated(t, "eNrbuRgAAhcBXQ"); !bytes.Equal(small, []byte{0xb9, 0xa3}) || !same(places(small), []int64{0, 3, 4, 5, 7, 8, 9, 13, 15}) {
		t.Errorf("the example of section 4.1 is read as %x, %v", small, places(small))
	}
	l := newLists(t)
	l.end(time.Hour, draftPlaces[1:]...) // place 0 is nobody's in the first list
	l.end(time.Hour, 1<<credentials.StatusBits)
	got := inflated(t, l.read(t, l.get(http.MethodGet, "/status/1")).StatusList.Lst)
	if want[0] &^= 1; !bytes.Equal(got, want) {
		t.Errorf("the places are %v", places(got))
	}
	if second := l.ended(t, "/status/2"); !same(second, []int64{0}) {
		t.Errorf("the second list: %v", second)
	}
	if third := l.ended(t, "/status/3"); third != nil {
		t.Errorf("a list nobody is in: %v", third)
	}
}

func TestStatusListTokenAndHeaders(t *testing.T) {
	t.Parallel()
	l := newLists(t)
	l.end(time.Hour, 7)
	w := l.get(http.MethodGet, "/status/1")
	c := l.read(t, w)
	now := time.Now().Unix()
	if c.Iss != issuer || c.Sub != issuer+"/status/1" || c.Iat > now || c.Iat < now-10 || c.Exp != c.Iat+60 || c.TTL != 5 || c.StatusList.Bits != 1 {
		t.Errorf("claims: %+v", c)
	}
	if h := w.Header(); !strings.HasPrefix(h.Get("Cache-Control"), "public, max-age=5") || h.Get("Access-Control-Allow-Origin") != "*" || len(h.Values("Vary")) > 0 {
		t.Errorf("headers: %v", h)
	}
	for path, want := range map[string]int{
		"/status/8": 200, "/status/9": 404, "/status/0": 404, "/status/01": 404, "/status/-1": 404, "/status/": 404, "/status/1/": 404,
		"/status/1x": 404, "/status/257": 404, "/status/99999999999999999999": 404, "/status/1?time=1700000000": 501,
	} {
		w := l.get(http.MethodGet, path)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if kept := w.Header().Get("Cache-Control") != "no-store"; kept != (want == 200) {
			t.Errorf("%s: %d, a cache may keep it: %t", path, w.Code, kept)
		}
	}
	if w := l.get(http.MethodPost, "/status/1"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := l.get(http.MethodHead, "/status/1"); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
}

// TestStatusListIsNeverOld: a list is issued anew when something has ended, and
// after a second in any case; without a fresh look at the log there is none.
func TestStatusListIsNeverOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLists(t)
		if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("before the log was read: %d", w.Code)
		}
		l.end(10*time.Second, 7)
		first := l.read(t, l.get(http.MethodGet, "/status/1"))
		time.Sleep(100 * time.Millisecond)
		l.end(time.Hour, 9)
		if got := l.ended(t, "/status/1"); !same(got, []int64{7, 9}) {
			t.Errorf("after another ending: %v", got)
		}
		time.Sleep(2 * time.Second)
		l.confirm()
		if second := l.read(t, l.get(http.MethodGet, "/status/1")); second.Iat < first.Iat+2 {
			t.Errorf("two seconds later it is issued at %d, and was at %d", second.Iat, first.Iat)
		}
		time.Sleep(2 * time.Second)
		if now, third := time.Now().Unix(), l.read(t, l.get(http.MethodGet, "/status/1")); third.Iat > now-2 || third.Exp > now+58 {
			t.Errorf("confirmed two seconds ago it is of %d until %d, and it is %d", third.Iat, third.Exp, now)
		}
		time.Sleep(6 * time.Second)
		l.confirm()
		if got := l.ended(t, "/status/1"); !same(got, []int64{9}) {
			t.Errorf("when the first is needed no more: %v", got)
		}
		time.Sleep(3 * time.Second)
		if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusOK {
			t.Errorf("confirmed three seconds ago: %d", w.Code)
		}
		time.Sleep(time.Millisecond)
		if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("not confirmed since: %d", w.Code)
		}
		l.confirm()
		if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusOK {
			t.Errorf("confirmed again: %d", w.Code)
		}
	})
}

// TestStatusListOfANodeThatWasSuspended: its monotonic clock stood still meanwhile,
// and others may have ended sessions.
func TestStatusListOfANodeThatWasSuspended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLists(t)
		l.end(time.Hour, 7)
		suspended := time.Duration(0)
		l.Now = func() time.Time { return time.Now().Add(suspended) }
		if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusOK {
			t.Fatalf("before it: %d", w.Code)
		}
		suspended = time.Minute
		if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("at once after it: %d", w.Code)
		}
		suspended = 2 * time.Second
		time.Sleep(500 * time.Millisecond)
		if now, c := l.Now().Unix(), l.read(t, l.get(http.MethodGet, "/status/1")); c.Iat > now-2 {
			t.Errorf("two seconds and a half after it was confirmed it is of %d, and it is %d", c.Iat, now)
		}
	})
}

// TestStatusListOfAClockThatIsOff: one that is ahead would leave out what has ended,
// and the list would be good long after it is right again.
func TestStatusListOfAClockThatIsOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLists(t)
		ahead, known := time.Duration(0), error(nil)
		l.Now = func() time.Time { return time.Now().Round(0).Add(ahead) }
		l.Clock = func() error { return known }
		off := func(by time.Duration, what error) {
			ahead, known = by, what
			time.Sleep(2 * time.Second)
			l.mu.Lock()
			l.view.Confirmed = time.Now().Round(0).Add(ahead) // as the log would find it by this clock
			l.mu.Unlock()
		}
		l.end(10*time.Minute, 7)
		off(time.Hour, nil)
		if got := l.ended(t, "/status/1"); !same(got, []int64{7}) {
			t.Errorf("ahead, and nobody knows: %v", got)
		}
		off(time.Hour, credentials.ErrClock)
		if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("ahead, as is known: %d", w.Code)
		}
		off(0, nil)
		if got := l.ended(t, "/status/1"); !same(got, []int64{7}) {
			t.Errorf("right again: %v", got)
		}
	})
}

// TestStatusListIsIssuedOnceForMany who ask at the same time.
func TestStatusListIsIssuedOnceForMany(t *testing.T) {
	t.Parallel()
	l := newLists(t)
	l.end(time.Hour, 1, 2, 3)
	var asked, answered sync.WaitGroup
	sign := l.Sign
	l.Sign = func(payload []byte) (string, error) {
		asked.Wait()
		return sign(payload)
	}
	asked.Add(50)
	for range 50 {
		answered.Go(func() {
			asked.Done()
			l.get(http.MethodGet, "/status/1")
		})
	}
	answered.Wait()
	if n := l.signed.Load(); n != 1 {
		t.Errorf("it was issued %d times", n)
	}
}

func TestStatusListThatCannotBeSigned(t *testing.T) {
	t.Parallel()
	l := newLists(t)
	l.broken = io.ErrUnexpectedEOF
	l.end(time.Hour, 1)
	if w := l.get(http.MethodGet, "/status/1"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), l.broken.Error()) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func BenchmarkStatusList(b *testing.B) {
	l := newLists(b)
	indexes := make([]int64, 10_000)
	for i := range indexes {
		indexes[i] = int64(i)*104 + 1
	}
	l.end(time.Hour, indexes...)
	for b.Loop() {
		l.StatusLists = &revocation.StatusLists{Issuer: issuer, Now: time.Now, Past: time.Now, Clock: l.Clock, Logger: l.Logger, View: l.View, Sign: l.Sign}
		l.get(http.MethodGet, "/status/1")
	}
}
