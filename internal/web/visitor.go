package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
)

// visit is what is known of a request before anybody looks at it.
type visit struct {
	address string
	naming  sync.Once
	id      string // given when it is first asked for: few requests fail
	client  atomic.Pointer[string]
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

// requestID is the id under which this request's errors are logged.
func requestID(ctx context.Context) string {
	v := visitOf(ctx)
	if v == nil {
		return ""
	}
	v.naming.Do(func() { v.id = rand.Text()[:12] })
	return v.id
}

// OfClient has the log say of which client a request is.
func OfClient(ctx context.Context, id string) {
	if v := visitOf(ctx); v != nil {
		v.client.Store(&id)
	}
}

// Address is the visitor's address, or the nearest one that can be believed.
func Address(ctx context.Context) string {
	if v := visitOf(ctx); v != nil {
		return v.address
	}
	return ""
}

// Visitor gives each request an id and its visitor's address, and turns a panic
// into an error page. X-Forwarded-For is believed only as far as trusted
// proxies wrote it; no other header of the kind is read.
func (p *Pages) Visitor(trusted []netip.Prefix, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), visitKey{}, &visit{address: addressOf(r, trusted)})
		r = r.WithContext(ctx)
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
				panic(cause) // the server's own way to cut a reply
			}
			p.Log.ErrorContext(ctx, "a page panicked", "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
			p.Fail(w, r, http.StatusInternalServerError, "Something went wrong here.")
		}()
		next.ServeHTTP(w, r)
	})
}

func addressOf(r *http.Request, trusted []netip.Prefix) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if !within(at, trusted) {
		return at.Unmap().String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(at, trusted); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = next
	}
	return at.Unmap().String()
}

func within(at netip.Addr, networks []netip.Prefix) bool {
	for _, n := range networks {
		if n.Contains(at.Unmap()) {
			return true
		}
	}
	return false
}

// LogAttrs adds the request's id, and its client where OfClient has said it, to
// what is logged in its context.
type LogAttrs struct{ slog.Handler }

// Handle implements slog.Handler.
func (l LogAttrs) Handle(ctx context.Context, record slog.Record) error {
	if id := requestID(ctx); id != "" {
		record.AddAttrs(slog.String("request", id))
	}
	if v := visitOf(ctx); v != nil && v.client.Load() != nil {
		record.AddAttrs(slog.String("client", *v.client.Load()))
	}
	return l.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (l LogAttrs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return LogAttrs{l.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l LogAttrs) WithGroup(name string) slog.Handler { return LogAttrs{l.Handler.WithGroup(name)} }
