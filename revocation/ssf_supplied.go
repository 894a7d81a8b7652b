package revocation

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/internal/store"
)

// supplied takes over what the receiver supplies. What it does not name stays as
// it is, or is as good as deleted where the whole is replaced.
func (s *SSF) supplied(in map[string]json.RawMessage, x *store.SSFStream, c caller, whole bool) error {
	if raw, is := in["events_requested"]; is {
		names, err := eventNames(raw)
		if err != nil {
			return err
		}
		x.Requested = names
	} else if whole {
		x.Requested = ""
	}
	if _, is := in["description"]; is || whole {
		description, err := text(in, "description", maxDescription)
		if err != nil {
			return err
		}
		x.Description = description
	}
	if raw, is := in["delivery"]; is {
		return s.delivery(raw, x, c)
	}
	if whole {
		x.Method, x.Endpoint, x.Header = store.SSFPoll, "", nil
	}
	return nil
}

// eventNames checks the events that a receiver asks for. Those that we do not
// know are kept: it may ask what it asked for.
func eventNames(raw json.RawMessage) (string, error) {
	var names []string
	if json.Unmarshal(raw, &names) != nil || len(names) == 0 || len(names) > maxEventNames ||
		slices.ContainsFunc(names, func(name string) bool { return len(name) > maxEventName }) {
		return "", wrong("events_requested", "has to be a list of event types with at least one; leave it out for all there are")
	}
	out, err := json.Marshal(names)
	return string(out), err
}

// delivery takes over how events are delivered. Events are pushed nowhere but to
// an address that the operator has written down for this client: whoever holds a
// token of it must not be able to have us call others.
func (s *SSF) delivery(raw json.RawMessage, x *store.SSFStream, c caller) error {
	in, ok := members(raw)
	if !ok {
		return wrong("delivery", "has to be an object")
	}
	method, err := text(in, "method", maxEventName)
	if err != nil {
		return err
	}
	endpoint, err := text(in, "endpoint_url", maxEndpoint)
	if err != nil {
		return err
	}
	header, err := text(in, "authorization_header", maxSSFHeader)
	if err != nil {
		return err
	}
	x.Header = nil
	switch method {
	case methodPoll:
		// Who makes a stream cannot know it yet.
		if own := s.Issuer + ssfPoll + x.ID; endpoint != "" && endpoint != own && !x.MadeAt.IsZero() {
			return wrong("delivery.endpoint_url", "is the broker's to say for "+methodPoll)
		}
		x.Method, x.Endpoint = store.SSFPoll, ""
	case methodPush:
		if !slices.Contains(c.PushURIs, endpoint) {
			return wrong("delivery.endpoint_url", "has to be one of this client's ssf_push_uris in the broker's configuration, to the letter; ask its operator to add it")
		}
		x.Method, x.Endpoint = store.SSFPush, endpoint
		if header == "" {
			break
		}
		if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) {
			return wrong("delivery.authorization_header", "has to be a header's value in ASCII")
		}
		x.Header = s.Headers.SealBytes([]byte(header), headerPlace(*x))
	default:
		return wrong("delivery.method", "has to be "+methodPush+" or "+methodPoll)
	}
	return nil
}

// headerPlace is what a sealed header is bound to: it is of no use for another
// stream, or another address.
func headerPlace(x store.SSFStream) string { return "ssf_streams/" + x.ID + " " + x.Endpoint }

// matches refuses a change that names something of ours otherwise than it is.
func (s *SSF) matches(in map[string]json.RawMessage, x store.SSFStream) error {
	own, err := json.Marshal(s.configuration(x))
	if err != nil {
		return err
	}
	var is map[string]any
	if err := json.Unmarshal(own, &is); err != nil {
		return err
	}
	for _, name := range []string{"iss", "aud", "events_supported", "events_delivered", "min_verification_interval"} {
		raw, named := in[name]
		if !named {
			continue
		}
		var said any
		err := json.Unmarshal(raw, &said)
		if list, ok := said.([]any); ok && name == "aud" && len(list) == 1 { // RFC 7519 section 4.1.3: the same
			said = list[0]
		}
		if err != nil || !reflect.DeepEqual(said, is[name]) {
			return refuse(http.StatusBadRequest, name+" is not the stream's; leave it out.")
		}
	}
	return nil
}
