package guard

import (
	"bytes"
	"encoding/json"
	"time"
)

// told is the data of an "ended" event, as far as guard looks at it.
type told struct {
	SID     string    `json:"sid"`
	EndedAt time.Time `json:"ended_at"`
	Cause   string    `json:"cause"`
}

// readTold reads the data of an "ended" event.
func readTold(data []byte) (t told, err error) {
	if t, ok := readPlain(data); ok {
		return t, nil
	}
	err = json.Unmarshal(data, &t)
	return t, err
}

// readPlain is the same for the form in which the broker writes it, in a tenth of
// the time: an ending comes to all apps of a machine at one moment. ok is false for
// whatever else JSON can look like.
func readPlain(data []byte) (t told, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"seq":`))
	number := bytes.TrimLeft(rest, "0123456789")
	if digits := len(rest) - len(number); !ok || digits == 0 || digits > 1 && rest[0] == '0' {
		return told{}, false
	}
	sid, rest, first := plainText(number, `,"sid":"`)
	at, rest, second := plainText(rest, `,"ended_at":"`)
	if !first || !second || t.EndedAt.UnmarshalText(at) != nil {
		return told{}, false
	}
	t.SID = string(sid)
	if _, more, detailed := plainText(rest, `,"credential":"`); detailed {
		cause, more, ok := plainText(more, `,"cause":"`)
		if !ok {
			return told{}, false
		}
		t.Cause, rest = string(cause), more
	}
	return t, string(rest) == "}"
}

// plainText is what stands between a beginning and the next quotation mark, where
// JSON means just that.
func plainText(data []byte, begins string) (text, rest []byte, ok bool) {
	data, ok = bytes.CutPrefix(data, []byte(begins))
	end := bytes.IndexByte(data, '"')
	if !ok || end < 0 {
		return nil, nil, false
	}
	for _, c := range data[:end] {
		if c < ' ' || c > '~' || c == '\\' {
			return nil, nil, false
		}
	}
	return data[:end], data[end+1:], true
}
