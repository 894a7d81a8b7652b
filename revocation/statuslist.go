package revocation

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// StatusLists serves the endings as Token Status Lists
// (draft-ietf-oauth-status-list), for apps in any language: a bit for each
// session, 1 once it has ended. The answers are the same for everybody, so a
// cache may stand before them; what a list says is signed, and good for
// statusLife. Every field is set before it is used.
type StatusLists struct {
	Issuer string
	View   func() (View, <-chan struct{}) // of the log: Log.View
	Sign   func(payload []byte) (string, error)
	Now    func() time.Time
	Clock  func() error     // says that Now cannot be trusted
	Past   func() time.Time // has come for certain
	Logger *slog.Logger

	lists [credentials.StatusLists]statusList
}

const (
	statusLife   = 60 * time.Second       // the exp of a list, after its iat
	statusTTL    = 5 * time.Second        // how long an app keeps a list
	statusAgain  = time.Second            // a list is issued anew after that
	statusGather = 100 * time.Millisecond // endings within it go into the list together
	statusDoubt  = 3 * time.Second        // how long ago the log may have been confirmed
	// A cache may go on with what it has while this node cannot answer, as long as
	// the list is good for certain.
	statusCache = "public, max-age=5, stale-if-error=50"
)

// statusList is one list as it was issued last.
type statusList struct {
	mu     sync.Mutex
	issued time.Time // monotonic
	token  string

	cursor credentials.Cursor // the log that bits was made of
	until  time.Time          // some of it is over then
	bits   string
}

// ServeHTTP serves every list, below credentials.StatusPath.
func (s *StatusLists) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "no-store") // of a refusal, which a cache would keep for a list that is there later
	n, ok := listNumber(r.URL.Path)
	switch {
	case !ok:
		http.Error(w, "There is no such list.", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Use GET.", http.StatusMethodNotAllowed)
		return
	case r.URL.Query().Has("time"): // section 8.4: lists of former times are not kept
		http.Error(w, "Only the present list is here.", http.StatusNotImplemented)
		return
	}
	token, err := s.list(n)
	if err != nil {
		h.Set("Retry-After", "1")
		http.Error(w, "What has ended cannot be confirmed at this moment.", http.StatusServiceUnavailable)
		return
	}
	h.Set("Content-Type", "application/statuslist+jwt")
	h.Set("Cache-Control", statusCache)
	h.Set("Content-Length", strconv.Itoa(len(token)))
	_, _ = w.Write([]byte(token))
}

// listNumber is the list of a path, counted from 0.
func listNumber(path string) (int64, bool) {
	text, ok := strings.CutPrefix(path, credentials.StatusPath)
	n, err := strconv.ParseUint(text, 10, 8)
	if !ok || err != nil || n < 1 || n > credentials.StatusLists || strconv.FormatUint(n, 10) != text {
		return 0, false
	}
	return int64(n) - 1, true
}

// list issues a list, or returns the one that was issued a moment ago. Who asks
// meanwhile waits for it, and gets the same.
func (s *StatusLists) list(n int64) (string, error) {
	l := &s.lists[n]
	l.mu.Lock()
	defer l.mu.Unlock()
	v, _ := s.View()
	if err := s.Clock(); err != nil {
		return "", err // it would be good for longer than this node can know
	}
	now := s.Now()
	// By the clock that says more: a machine that was suspended stood still by one.
	known := max(time.Since(v.Confirmed), now.Round(0).Sub(v.Confirmed.Round(0)))
	if v.Confirmed.IsZero() || known > statusDoubt {
		return "", ErrNotConfirmed // an app must not be told that nothing has ended since
	}
	age := time.Since(l.issued)
	if l.token != "" && (age < statusGather || age < statusAgain && l.cursor == v.Cursor) {
		return l.token, nil
	}
	if past := s.Past(); l.bits == "" || l.cursor != v.Cursor || !past.Before(l.until) {
		l.fill(n, v, past)
	}
	// It says no more than was known when the log was confirmed, and is of then.
	token, err := s.issue(n, l.bits, now.Add(-known))
	if err != nil {
		s.Logger.Error("a status list cannot be signed", "error", err)
		return "", err
	}
	l.token, l.issued = token, time.Now()
	return token, nil
}

// statusClaims are those of a Status List Token, section 5.1.
type statusClaims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Issued  int64  `json:"iat"`
	Expires int64  `json:"exp"`
	TTL     int64  `json:"ttl"`
	List    struct {
		Bits int    `json:"bits"`
		List string `json:"lst"`
	} `json:"status_list"`
}

func (s *StatusLists) issue(n int64, bits string, now time.Time) (string, error) {
	c := statusClaims{Issuer: s.Issuer, Subject: credentials.StatusURI(s.Issuer, n), Issued: now.Unix(),
		Expires: now.Add(statusLife).Unix(), TTL: int64(statusTTL.Seconds())}
	c.List.Bits, c.List.List = 1, bits
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return s.Sign(payload)
}

// fill sets the bits of the sessions that have ended. An ending that no token
// can need any more is left out: its place may be another session's by now.
func (l *statusList) fill(n int64, v View, past time.Time) {
	l.cursor, l.until = v.Cursor, past.Add(time.Hour)
	bits := make([]byte, 1<<credentials.StatusBits/8)
	for _, e := range v.Endings {
		list, place := credentials.StatusList(e.StatusIndex)
		if e.StatusIndex == 0 || list != n || !e.NeededUntil.After(past) {
			continue
		}
		bits[place/8] |= 1 << (place % 8)
		if e.NeededUntil.Before(l.until) {
			l.until = e.NeededUntil
		}
	}
	l.bits = compress(bits)
}

// deflaters are kept because each takes a megabyte.
var deflaters = sync.Pool{New: func() any {
	w, err := zlib.NewWriterLevel(nil, zlib.BestCompression)
	if err != nil {
		panic(err) // only for an impossible level
	}
	return w
}}

// compress is section 4.1: DEFLATE in the zlib format, as base64url.
func compress(bits []byte) string {
	var out bytes.Buffer
	w := deflaters.Get().(*zlib.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	_, _ = w.Write(bits) // into memory
	_ = w.Close()
	return base64.RawURLEncoding.EncodeToString(out.Bytes())
}
