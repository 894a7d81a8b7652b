package revocation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/valetkey/valetkey/internal/store"
)

const (
	pushLease = 30 * time.Second // how long a node keeps a stream
	pushTurn  = 20 * time.Second // after which it leaves the rest to whoever comes first
	pushFirst = time.Second      // the pause after the first failure; twice as long after each
	pushPause = 5 * time.Minute  // at most
	maxReply  = 4 << 10          // bytes
)

// NewPushClient makes what calls receivers.
func NewPushClient() *http.Client { return newCallClient(nil) }

// errDead says that a receiver will never take an event.
var errDead = errors.New("the receiver refuses the event")

// push delivers the events of a stream, one after the other, until there are none
// or one fails.
func (s *SSF) push(ctx context.Context, id string) {
	x, lease, ok, err := s.Store.LeaseSSF(ctx, id, pushLease)
	if err != nil || !ok {
		s.failed(ctx, err)
		return
	}
	begun := time.Now()
	for err == nil && time.Since(begun) < pushTurn && ctx.Err() == nil {
		var list []store.SSFEvent
		if list, err = s.Store.SSFEvents(ctx, id, lease, 1); err != nil || len(list) == 0 {
			break
		}
		err = s.deliver(ctx, x, list[0])
		if errors.Is(err, errDead) {
			s.Logger.Warn("a receiver refuses a security event, which is dropped", "client", x.Client, "stream", id, "jti", list[0].JTI, "error", err)
			err = nil
		}
		if err == nil {
			x.Tries = 0
			err = s.Store.TakenSSF(ctx, id, []string{list[0].JTI})
		}
	}
	tries, pause := 0, time.Duration(0)
	if err != nil && ctx.Err() == nil {
		tries, pause = x.Tries+1, backoff(x.Tries)
		if x.Tries == 0 {
			s.Logger.Warn("security events cannot be pushed; they are kept and tried again", "client", x.Client, "stream", id, "error", err)
		}
	}
	s.failed(ctx, s.Store.ReleaseSSF(ctx, id, lease, tries, pause))
}

func (s *SSF) failed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.Logger.Warn("streams of security events cannot be worked on at this moment", "error", err)
	}
}

// backoff is the pause after so many failures before.
func backoff(tries int) time.Duration {
	pause := min(pushFirst<<min(tries, 20), pushPause)
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // jitter
}

// deliver pushes one event (RFC 8935 section 2).
func (s *SSF) deliver(ctx context.Context, x store.SSFStream, e store.SSFEvent) error {
	receiver := s.Receivers[x.Client]
	if !slices.Contains(receiver.PushURIs, x.Endpoint) {
		return errors.New("the stream's endpoint_url is not in the client's ssf_push_uris any more")
	}
	token, err := s.token(ctx, x.Client, receiver.Audience, e, x.ID)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.Endpoint, strings.NewReader(token))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "valetkey")
	if len(x.Header) > 0 {
		header, err := s.Headers.OpenBytes(x.Header, headerPlace(x))
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", string(header))
	}
	answer, err := s.Client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxReply)) // without it, no reason is known
	return judge(answer.StatusCode, body)
}

// passing are refusals (section 2.4) that would be the same for any other event:
// of who calls, or of a receiver that is set up for another stream or has not
// fetched the present keys. No ending may be lost to them.
var passing = []string{"", "authentication_failed", "access_denied", "invalid_key", "invalid_issuer", "invalid_audience"}

// judge reads an answer: any success is one, and a refusal that says what is wrong
// with the event is for good (section 2.3). Everything else may pass.
func judge(status int, body []byte) error {
	if status >= 200 && status < 300 {
		return nil
	}
	var why setError
	told := json.Unmarshal(bytes.TrimSpace(body), &why) == nil
	if told && status == http.StatusBadRequest && !slices.Contains(passing, why.Code) {
		return fmt.Errorf("%w: %q %q", errDead, cut(why.Code), cut(why.Description))
	}
	return fmt.Errorf("the receiver answers with status %d %.40q", status, why.Code)
}
