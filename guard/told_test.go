package guard

import (
	"encoding/json"
	"testing"
)

// FuzzTold: what is read by hand is what the JSON says.
func FuzzTold(f *testing.F) {
	for _, text := range []string{
		`{"seq":12,"sid":"s1","ended_at":"2026-11-24T10:00:00.000001Z"}`,
		`{"seq":0,"sid":"s1","ended_at":"2026-11-24T10:00:00.000001Z","credential":"c","cause":"revoked"}`,
		`{"seq":01,"sid":"s1","ended_at":"2026-11-24T10:00:00Z"}`,
		`{"seq":1,"sid":"s\u0031","ended_at":"2026-11-24T10:00:00Z"}`,
		`{"seq":1,"sid":"s1","ended_at":"2026-11-24T10:00:00+01:00","credential":"c","cause":"time"} `,
		`{"seq":1,"sid":"s1","ended_at":"yesterday"}`,
		`{"seq":1,"sid":"s1","ended_at":"2026-11-24T10:00:00Z","credential":"c"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := readPlain(data)
		if !ok {
			return
		}
		var want told
		if err := json.Unmarshal(data, &want); err != nil || !got.EndedAt.Equal(want.EndedAt) || got.SID != want.SID || got.Cause != want.Cause {
			t.Errorf("%q is read as %+v, and is %+v, %v", data, got, want, err)
		}
	})
}

// TestTheUsualFormIsReadByHand: or it would not be worth having.
func TestTheUsualFormIsReadByHand(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"seq":12,"sid":"s1","ended_at":"2026-11-24T10:00:00.000001Z"}`,
		`{"seq":9,"sid":"s1","ended_at":"2026-11-24T10:00:00.000001Z","credential":"c","cause":"revoked"}`} {
		if got, ok := readPlain([]byte(text)); !ok || got.SID != "s1" {
			t.Errorf("%s is read as %+v, %v", text, got, ok)
		}
	}
}
