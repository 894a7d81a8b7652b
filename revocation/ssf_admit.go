package revocation

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/credentials"
)

// Scopes of the management API with which streams may be managed, and looked
// at. Those that begin with ssf are the names that the CAEP Interoperability
// Profile gives them.
var (
	manages = []string{"endings.read", "ssf.manage"}
	reads   = []string{"endings.read", "ssf.manage", "ssf.read"}
)

// maxSSFBody bounds a request's body, in bytes.
const maxSSFBody = 64 << 10

// refusal is what a receiver is told (RFC 9457).
type refusal struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`

	header http.Header
}

// Error makes it an error; it is for receivers to read.
func (r *refusal) Error() string { return r.Detail }

func refuse(status int, detail string) *refusal {
	return &refusal{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func (r *refusal) with(header, value string) *refusal {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(header, value)
	return r
}

// caller is the client that asks, as it is configured.
type caller struct {
	Receiver
	client string
}

type served func(w http.ResponseWriter, r *http.Request, c caller) error

// Unproven says that a request does not show that it holds the key that its token
// is bound to (RFC 9449).
type Unproven struct {
	Text      string // for people
	Challenge string // for WWW-Authenticate
	Nonce     string // for DPoP-Nonce; empty: none is needed
}

func (u *Unproven) Error() string { return u.Text }

// ErrUndecided says that whether a token is good could not be found out.
var ErrUndecided = errors.New("it could not be found out whether the token is good")

// admitted lets through whoever holds a token with one of the scopes (RFC 6750),
// and answers what goes wrong.
func (s *SSF) admitted(scopes []string, next served) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, refused := s.authenticate(r, scopes)
		if refused == nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxSSFBody)
			err := next(w, r, c)
			if err == nil {
				return
			}
			refused = s.outcome(r, err)
		}
		maps.Copy(w.Header(), refused.header)
		write(w, refused.Status, "application/problem+json", refused)
	}
}

func (s *SSF) authenticate(r *http.Request, scopes []string) (c caller, refused *refusal) {
	if len(r.Header.Values("Authorization")) == 0 {
		return c, refuse(http.StatusUnauthorized, "Send an access token of the management API in the Authorization header.").with("WWW-Authenticate", `Bearer realm="valetkey"`)
	}
	client, have, err := s.Authenticate(r)
	if err != nil {
		return c, unauthenticated(err)
	}
	if !slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(have, scope) }) {
		return c, refuse(http.StatusForbidden, "The access token has none of the scopes "+strings.Join(scopes, ", ")+".").
			with("WWW-Authenticate", `Bearer realm="valetkey", error="insufficient_scope", scope="`+scopes[0]+`"`)
	}
	if r.URL.Query().Has("access_token") {
		return c, refuse(http.StatusBadRequest, "No token belongs into a URL. Replace it: this one may be in logs now.")
	}
	c = caller{s.Receivers[client], client}
	if c.Audience == "" {
		return c, refuse(http.StatusForbidden, "This client acts for no relying app: it has no audience, so no event could concern it.")
	}
	return c, nil
}

// unauthenticated is what somebody is told who has shown no token that is good.
func unauthenticated(err error) *refusal {
	var unproven *Unproven
	switch {
	case errors.As(err, &unproven):
		told := refuse(http.StatusUnauthorized, "The access token is not valid here: "+unproven.Text+".").with("WWW-Authenticate", unproven.Challenge)
		if unproven.Nonce != "" {
			told = told.with("DPoP-Nonce", unproven.Nonce)
		}
		return told
	case errors.Is(err, ErrUndecided):
		return refuse(http.StatusServiceUnavailable, "Nothing could be decided now. Try again later.").with("Retry-After", "1")
	}
	return refuse(http.StatusUnauthorized, "The access token is not valid here, or has expired.").with("WWW-Authenticate", `Bearer realm="valetkey", error="invalid_token"`)
}

// outcome is the one conversion of what went wrong into what a receiver is told.
func (s *SSF) outcome(r *http.Request, err error) *refusal {
	var told *refusal
	switch {
	case errors.As(err, &told):
		return told
	case errors.Is(err, credentials.ErrNotFound):
		return refuse(http.StatusNotFound, "This client has no such stream.")
	}
	s.Logger.ErrorContext(r.Context(), "a request about a stream of events failed", "method", r.Method, "path", r.URL.Path, "error", err)
	return refuse(http.StatusServiceUnavailable, "The broker could not do this, or cannot say whether it did. Its log says why. Try again.").with("Retry-After", "1")
}

func write(w http.ResponseWriter, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone if this fails
}

// about reads a body that says which stream it is about.
func about(r *http.Request) (in map[string]json.RawMessage, id string, err error) {
	if in, err = object(r, false); err == nil {
		id, err = streamID(in)
	}
	return in, id, err
}

// object reads a body that is a JSON object; one that is empty is allowed where
// everything in it is optional.
func object(r *http.Request, optional bool) (map[string]json.RawMessage, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "The body cannot be read, or has more than 64 KB.")
	}
	if len(raw) == 0 && optional {
		return nil, nil
	}
	out, ok := members(raw)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "The body is not a JSON object.")
	}
	return out, nil
}

// members reads a JSON object. One that is null is as good as not there: many
// libraries write so what they have no value for.
func members(raw []byte) (out map[string]json.RawMessage, ok bool) {
	ok = json.Unmarshal(raw, &out) == nil && out != nil
	maps.DeleteFunc(out, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	return out, ok
}

// text reads a member that is a string of at most so many bytes.
func text(in map[string]json.RawMessage, name string, most int) (string, error) {
	raw, is := in[name]
	if !is {
		return "", nil
	}
	var out *string
	if json.Unmarshal(raw, &out) != nil || out == nil || len(*out) > most || strings.ContainsRune(*out, 0) {
		return "", wrong(name, "has to be a string, not too long")
	}
	return *out, nil
}

// ours is the form of every id that we make. Nothing of another form is asked of
// the database.
var ours = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// streamID reads which stream a body is about.
func streamID(in map[string]json.RawMessage) (string, error) {
	id, err := text(in, "stream_id", maxSSFBody)
	switch {
	case err != nil:
		return "", err
	case id == "":
		return "", wrong("stream_id", "is missing")
	case !ours.MatchString(id):
		return "", credentials.ErrNotFound
	}
	return id, nil
}

// askedID reads which stream a query is about.
func askedID(r *http.Request) (string, error) {
	id := r.URL.Query()["stream_id"]
	switch {
	case len(id) != 1 || id[0] == "":
		return "", wrong("stream_id", "has to be in the query, once")
	case !ours.MatchString(id[0]):
		return "", credentials.ErrNotFound
	}
	return id[0], nil
}

func wrong(name, what string) *refusal { return refuse(http.StatusBadRequest, name+" "+what+".") }
