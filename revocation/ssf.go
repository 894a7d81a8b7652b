package revocation

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/store"
)

// SSF is a transmitter of security events (OpenID Shared Signals Framework 1.0):
// it tells receivers that sessions have ended, as session-revoked of the
// Continuous Access Evaluation Profile 1.0.
//
//	endings ──gather──▶ events of each stream ──push (RFC 8935)──▶ receiver
//	                             └──────────────poll (RFC 8936)──▶ receiver
//
// What a receiver has not taken is in the database, so that nothing is lost when
// nodes stop; any node delivers it. Every field is set before it is used.
type SSF struct {
	Issuer    string
	KeysURI   string // of the JWKS
	Store     *store.Store
	View      func() (View, <-chan struct{}) // of the log: Log.View
	Receivers map[string]Receiver            // by client_id
	// Authenticate finds the client that a request's token of the management API was
	// issued to, and its scopes. Any error but *Unproven and ErrUndecided means that
	// there is no token, or that it is not valid here.
	Authenticate func(r *http.Request) (client string, scopes []string, err error)
	// Subject is the sub that apps of an audience see in a session's tokens; empty
	// where they do not see one and the same.
	Subject func(ctx context.Context, audience, sid string) (string, error)
	// Sign signs a Security Event Token.
	Sign    func(payload []byte) (string, error)
	Headers *keys.Sealer // of Authorization headers
	Client  *http.Client // calls receivers: NewPushClient
	Logger  *slog.Logger
	// Most is how many events a stream holds, Keep for how long.
	Most int
	Keep time.Duration

	once    sync.Once
	polls   atomic.Int64 // that wait
	leaving chan struct{}
	kick    chan struct{} // there may be something to push
	mu      sync.Mutex
	more    chan struct{} // closed, and replaced, when there may be something to poll
}

// Receiver is a client as the configuration knows it.
type Receiver struct {
	Audience string   // of whose sessions it hears; empty: it may have no stream
	PushURIs []string // the only addresses that events are pushed to
}

// Bounds of what a stream holds.
const (
	SSFMost = 10_000
	SSFKeep = 7 * 24 * time.Hour
)

// The paths, below the issuer.
const (
	SSFMetadata = "/.well-known/ssf-configuration"
	SSFPath     = "/ssf/" // of everything else
	ssfStreams  = "/ssf/streams"
	ssfStatus   = "/ssf/status"
	ssfVerify   = "/ssf/verify"
	ssfAdd      = "/ssf/subjects/add"
	ssfRemove   = "/ssf/subjects/remove"
	ssfPoll     = "/ssf/poll/"
)

// The names of the delivery methods and events.
const (
	methodPush     = "urn:ietf:rfc:8935"
	methodPoll     = "urn:ietf:rfc:8936"
	eventRevoked   = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	eventVerify    = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	eventUpdated   = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
	verifyInterval = 5 * time.Second
)

func (s *SSF) init() {
	s.once.Do(func() {
		s.leaving, s.kick, s.more = make(chan struct{}), make(chan struct{}, 1), make(chan struct{})
	})
}

// Handler serves the configuration document and what lies below SSFPath.
func (s *SSF) Handler() http.Handler {
	s.init()
	m := http.NewServeMux()
	m.HandleFunc("GET "+SSFMetadata, s.metadata)
	m.HandleFunc("POST "+ssfStreams, s.admitted(manages, s.create))
	m.HandleFunc("GET "+ssfStreams, s.admitted(reads, s.read))
	m.HandleFunc("PATCH "+ssfStreams, s.admitted(manages, s.update))
	m.HandleFunc("PUT "+ssfStreams, s.admitted(manages, s.replace))
	m.HandleFunc("DELETE "+ssfStreams, s.admitted(manages, s.remove))
	m.HandleFunc("GET "+ssfStatus, s.admitted(reads, s.status))
	m.HandleFunc("POST "+ssfStatus, s.admitted(manages, s.setStatus))
	m.HandleFunc("POST "+ssfVerify, s.admitted(manages, s.verify))
	m.HandleFunc("POST "+ssfAdd, s.admitted(manages, s.addSubject))
	m.HandleFunc("POST "+ssfRemove, s.admitted(manages, s.removeSubject))
	m.HandleFunc("POST "+ssfPoll+"{stream}", s.admitted(manages, s.poll))
	return notKept(m)
}

// notKept has no cache keep a reply that does not say otherwise: refusals of the
// router do not.
func notKept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// Close has those who wait for events go, because the node shuts down.
func (s *SSF) Close() {
	s.init()
	close(s.leaving)
}

// ssfConfiguration is section 7.1 of the framework.
type ssfConfiguration struct {
	Version       string           `json:"spec_version"`
	Issuer        string           `json:"issuer"`
	Keys          string           `json:"jwks_uri"`
	Methods       []string         `json:"delivery_methods_supported"`
	Configuration string           `json:"configuration_endpoint"`
	Status        string           `json:"status_endpoint"`
	Add           string           `json:"add_subject_endpoint"`
	Remove        string           `json:"remove_subject_endpoint"`
	Verification  string           `json:"verification_endpoint"`
	Schemes       []map[string]any `json:"authorization_schemes"`
	Subjects      string           `json:"default_subjects"`
}

func (s *SSF) metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	_ = json.NewEncoder(w).Encode(ssfConfiguration{ // the client is gone if this fails
		Version: "1_0", Issuer: s.Issuer, Keys: s.KeysURI, Methods: []string{methodPush, methodPoll},
		Configuration: s.Issuer + ssfStreams, Status: s.Issuer + ssfStatus, Verification: s.Issuer + ssfVerify,
		Add: s.Issuer + ssfAdd, Remove: s.Issuer + ssfRemove,
		Schemes: []map[string]any{{"spec_urn": "urn:ietf:rfc:6749"}}, Subjects: "ALL",
	})
}

// wake has the job look at once.
func (s *SSF) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
	s.tell()
}

// tell wakes those who poll.
func (s *SSF) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.more)
	s.more = make(chan struct{})
}

func (s *SSF) waiting() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.more
}
