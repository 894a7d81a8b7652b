package revocation

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/valetkey/valetkey/internal/store"
)

// streamStatus is section 8.1.2 of the framework.
type streamStatus struct {
	ID     string `json:"stream_id"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func (s *SSF) status(w http.ResponseWriter, r *http.Request, c caller) error {
	x, err := s.asked(r, c)
	if err == nil {
		write(w, http.StatusOK, "application/json", streamStatus{x.ID, x.Status, x.Reason})
	}
	return err
}

func (s *SSF) setStatus(w http.ResponseWriter, r *http.Request, c caller) error {
	in, id, err := about(r)
	if err != nil {
		return err
	}
	status, err := text(in, "status", maxReason)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{store.SSFEnabled, store.SSFPaused, store.SSFDisabled}, status) {
		return wrong("status", "has to be enabled, paused or disabled")
	}
	reason, err := text(in, "reason", maxReason)
	if err != nil {
		return err
	}
	x, err := s.Store.ChangeSSF(r.Context(), c.client, id, func(x *store.SSFStream) error {
		x.Status, x.Reason = status, reason
		return nil
	})
	if err != nil {
		return err
	}
	s.wake()
	write(w, http.StatusOK, "application/json", streamStatus{x.ID, x.Status, x.Reason})
	return nil
}

// verify puts a verification event into a stream, so that its receiver sees that
// it works (section 8.1.4).
func (s *SSF) verify(w http.ResponseWriter, r *http.Request, c caller) error {
	in, id, err := about(r)
	if err != nil {
		return err
	}
	state, err := text(in, "state", maxState)
	if err != nil {
		return err
	}
	status, soon, err := s.Store.VerifySSF(r.Context(), c.client, id, state, verifyInterval)
	switch {
	case err != nil:
		return err
	case soon:
		seconds := strconv.FormatInt(int64(verifyInterval.Seconds()), 10)
		return refuse(http.StatusTooManyRequests, "One verification in "+seconds+" seconds (min_verification_interval).").with("Retry-After", seconds)
	case status == store.SSFDisabled:
		return refuse(http.StatusBadRequest, "The stream is disabled, so nothing is sent over it.")
	}
	s.wake()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
