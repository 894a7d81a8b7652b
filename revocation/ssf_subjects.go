package revocation

import (
	"encoding/json"
	"net/http"
	"slices"
)

// addSubject takes a receiver's wish to hear of somebody (section 8.1.3.2 of the
// framework). A stream is about all sessions of its audience, so it does already.
func (s *SSF) addSubject(w http.ResponseWriter, r *http.Request, c caller) error {
	if _, err := s.named(r, c); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// removeSubject refuses to leave anybody out whom an event could be about: the
// receiver would let in who has no access any more. Of all others it hears nothing
// anyhow (section 8.1.3.3).
func (s *SSF) removeSubject(w http.ResponseWriter, r *http.Request, c caller) error {
	who, err := s.named(r, c)
	if err != nil {
		return err
	}
	if s.mayMatch(who) {
		return refuse(http.StatusForbidden, "No session can be left out of a stream: an app that does not hear of its end lets in who has no access any more.")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// named is the subject that a body names, for a stream of the client.
func (s *SSF) named(r *http.Request, c caller) (who map[string]json.RawMessage, err error) {
	in, id, err := about(r)
	if err != nil {
		return nil, err
	}
	who, ok := members(in["subject"])
	if format, err := text(who, "format", maxEventName); !ok || err != nil || format == "" {
		return nil, wrong("subject", "has to be a subject identifier, an object with a format (RFC 9493)")
	}
	_, err = s.stream(r.Context(), c, id)
	return who, err
}

// mayMatch reports whether the subject of an event of ours could match (section
// 8.1.3.1): it is complex, of an opaque session and an iss_sub user of our own.
func (s *SSF) mayMatch(who map[string]json.RawMessage) bool {
	format, _ := text(who, "format", maxEventName)
	issuer, err := text(who, "iss", maxSSFBody)
	return slices.Contains([]string{"complex", "opaque", "aliases"}, format) || format == "iss_sub" && (err != nil || issuer == s.Issuer)
}
