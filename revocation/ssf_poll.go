package revocation

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/valetkey/valetkey/internal/store"
)

const (
	pollMost  = 100 // events in one answer
	pollAcks  = 2000
	pollLong  = 30 * time.Second
	pollAgain = time.Second // another node may have gathered something
	// Who comes when so many wait is answered at once.
	pollsAtOnce = 256
)

// pollRequest is section 2.2 of RFC 8936.
type pollRequest struct {
	Max         *int64              `json:"maxEvents"`
	Immediately bool                `json:"returnImmediately"`
	Taken       []string            `json:"ack"`
	Errors      map[string]setError `json:"setErrs"`
}

// setError is what a receiver says of an event that it cannot take.
type setError struct {
	Code        string `json:"err"`
	Description string `json:"description"`
}

// pollAnswer is section 2.3 of RFC 8936.
type pollAnswer struct {
	Sets map[string]string `json:"sets"`
	More bool              `json:"moreAvailable,omitempty"`
}

func (s *SSF) poll(w http.ResponseWriter, r *http.Request, c caller) error {
	in, err := readPoll(r.Body)
	if err != nil {
		return err
	}
	x, err := s.stream(r.Context(), c, r.PathValue("stream"))
	if err != nil {
		return err
	}
	if x.Method != store.SSFPoll {
		return refuse(http.StatusNotFound, "The events of this stream are pushed, not polled.")
	}
	for jti, e := range in.Errors {
		s.Logger.WarnContext(r.Context(), "a receiver cannot take a security event, which is dropped", "client", c.client, "stream", x.ID, "jti", cut(jti), "err", cut(e.Code), "description", cut(e.Description))
	}
	taken := slices.Concat(in.Taken, slices.Collect(maps.Keys(in.Errors)))
	taken = slices.DeleteFunc(taken, func(jti string) bool { return !ours.MatchString(jti) })
	if len(taken) > 0 {
		if err := s.Store.TakenSSF(r.Context(), x.ID, taken); err != nil {
			return err
		}
	}
	answer, err := s.next(r.Context(), x, c, in)
	if err == nil {
		write(w, http.StatusOK, "application/json", answer)
	}
	return err
}

// readPoll reads a request; an empty body asks for whatever there is.
func readPoll(body io.Reader) (in pollRequest, err error) {
	raw, err := io.ReadAll(body)
	if err != nil {
		return in, refuse(http.StatusBadRequest, "The body cannot be read, or has more than 64 KB.")
	}
	if len(raw) > 0 && json.Unmarshal(raw, &in) != nil {
		return in, refuse(http.StatusBadRequest, "The body is not a poll request of RFC 8936.")
	}
	if in.Max != nil && *in.Max < 0 || len(in.Taken)+len(in.Errors) > pollAcks {
		return in, refuse(http.StatusBadRequest, "maxEvents has to be 0 or more, and not more than 2000 events can be acknowledged at once.")
	}
	return in, nil
}

// next is the answer: at once, or when there is something to answer with, or when
// the receiver has waited for long enough.
func (s *SSF) next(ctx context.Context, x store.SSFStream, c caller, in pollRequest) (pollAnswer, error) {
	most := pollMost
	if in.Max != nil {
		most = int(min(*in.Max, pollMost))
	}
	if most == 0 { // it only acknowledges
		list, err := s.Store.SSFEvents(ctx, x.ID, time.Time{}, 1)
		return s.answer(ctx, x, c, list, most, err)
	}
	over, again := time.NewTimer(pollLong), time.NewTicker(pollAgain)
	defer over.Stop()
	defer again.Stop()
	defer s.polls.Add(-1)
	for last := s.polls.Add(1) > pollsAtOnce || in.Immediately; ; {
		waiting := s.waiting()
		list, err := s.Store.SSFEvents(ctx, x.ID, time.Time{}, most+1)
		if err != nil || len(list) > 0 || last {
			return s.answer(ctx, x, c, list, most, err)
		}
		select {
		case <-waiting:
		case <-again.C:
		case <-over.C:
			last = true
		case <-s.leaving:
			last = true
		case <-ctx.Done():
			return pollAnswer{Sets: map[string]string{}}, nil
		}
	}
}

func (s *SSF) answer(ctx context.Context, x store.SSFStream, c caller, list []store.SSFEvent, most int, err error) (pollAnswer, error) {
	out := pollAnswer{Sets: map[string]string{}, More: len(list) > most}
	for _, e := range list[:min(most, len(list))] {
		if err == nil {
			out.Sets[e.JTI], err = s.token(ctx, x.Client, c.Audience, e, x.ID)
		}
	}
	return out, err
}

// cut bounds what somebody else wrote, for the log.
func cut(text string) string { return text[:min(len(text), 200)] }
