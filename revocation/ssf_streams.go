package revocation

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

// Bounds of what a receiver supplies.
const (
	mostStreams    = 10 // of one client
	maxDescription = 1000
	maxEventNames  = 50
	maxEventName   = 500
	maxEndpoint    = 2000
	maxSSFHeader   = 4000
	maxReason      = 500
	maxState       = 2000
)

var supported = []string{eventRevoked}

// delivery is how a stream's events are delivered. The Authorization header that
// a receiver gave is never shown again.
type delivery struct {
	Method   string `json:"method"`
	Endpoint string `json:"endpoint_url"`
}

// streamConfiguration is section 8.1.1 of the framework.
type streamConfiguration struct {
	ID          string          `json:"stream_id"`
	Issuer      string          `json:"iss"`
	Audience    string          `json:"aud"`
	Supported   []string        `json:"events_supported"`
	Requested   json.RawMessage `json:"events_requested,omitempty"`
	Delivered   []string        `json:"events_delivered"`
	Delivery    delivery        `json:"delivery"`
	Interval    int64           `json:"min_verification_interval"`
	Description string          `json:"description,omitempty"`
}

// configuration is a stream as its receiver sees it. Its aud is the client_id: no
// token of a session has that and the type of an event.
func (s *SSF) configuration(x store.SSFStream) streamConfiguration {
	out := streamConfiguration{ID: x.ID, Issuer: s.Issuer, Audience: x.Client, Supported: supported, Delivered: delivered(x),
		Delivery: delivery{methodPush, x.Endpoint}, Interval: int64(verifyInterval.Seconds()), Description: x.Description}
	if x.Method == store.SSFPoll {
		out.Delivery = delivery{methodPoll, s.Issuer + ssfPoll + x.ID}
	}
	if x.Requested != "" {
		out.Requested = json.RawMessage(x.Requested)
	}
	return out
}

// delivered are the events that a stream has: all there are, where its receiver
// has not said which it wants.
func delivered(x store.SSFStream) []string {
	var requested []string
	if x.Requested == "" || json.Unmarshal([]byte(x.Requested), &requested) != nil {
		return supported
	}
	out := []string{}
	for _, event := range supported {
		if slices.Contains(requested, event) {
			out = append(out, event)
		}
	}
	return out
}

func (s *SSF) create(w http.ResponseWriter, r *http.Request, c caller) error {
	in, err := object(r, true)
	if err != nil {
		return err
	}
	x := store.SSFStream{ID: credentials.NewID(), Client: c.client, Status: store.SSFEnabled}
	if err := s.supplied(in, &x, c, true); err != nil {
		return err
	}
	x, made, err := s.Store.CreateSSF(r.Context(), x, mostStreams)
	if err != nil {
		return err
	}
	if !made {
		return refuse(http.StatusConflict, "This client has as many streams as it may. Delete one, or change it.")
	}
	s.wake()
	write(w, http.StatusCreated, "application/json", s.configuration(x))
	return nil
}

func (s *SSF) read(w http.ResponseWriter, r *http.Request, c caller) error {
	if r.URL.Query().Has("stream_id") {
		x, err := s.asked(r, c)
		if err == nil {
			write(w, http.StatusOK, "application/json", s.configuration(x))
		}
		return err
	}
	list, err := s.Store.SSFStreams(r.Context(), c.client)
	if err != nil {
		return err
	}
	out := make([]streamConfiguration, 0, len(list))
	for _, x := range list {
		out = append(out, s.configuration(x))
	}
	write(w, http.StatusOK, "application/json", out)
	return nil
}

// asked is the stream that a query is about.
func (s *SSF) asked(r *http.Request, c caller) (store.SSFStream, error) {
	id, err := askedID(r)
	if err != nil {
		return store.SSFStream{}, err
	}
	return s.stream(r.Context(), c, id)
}

// stream is one of the client's.
func (s *SSF) stream(ctx context.Context, c caller, id string) (store.SSFStream, error) {
	list, err := s.Store.SSFStreams(ctx, c.client)
	if err != nil {
		return store.SSFStream{}, err
	}
	for _, x := range list {
		if x.ID == id {
			return x, nil
		}
	}
	return store.SSFStream{}, credentials.ErrNotFound
}

func (s *SSF) update(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.change(w, r, c, false)
}

func (s *SSF) replace(w http.ResponseWriter, r *http.Request, c caller) error {
	return s.change(w, r, c, true)
}

func (s *SSF) change(w http.ResponseWriter, r *http.Request, c caller, whole bool) error {
	in, id, err := about(r)
	if err != nil {
		return err
	}
	x, err := s.Store.ChangeSSF(r.Context(), c.client, id, func(x *store.SSFStream) error {
		if err := s.matches(in, *x); err != nil {
			return err
		}
		return s.supplied(in, x, c, whole)
	})
	if err != nil {
		return err
	}
	s.wake()
	write(w, http.StatusOK, "application/json", s.configuration(x))
	return nil
}

func (s *SSF) remove(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := askedID(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteSSF(r.Context(), c.client, id); err != nil {
		return err
	}
	s.tell()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
