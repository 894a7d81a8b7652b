package audit

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 123_456_789, time.UTC)

func chain(t testing.TB, n int) []Entry {
	t.Helper()
	var head Head
	var out []Entry
	for i := range n {
		e := head.Append("acme", noon.Add(time.Duration(i)*time.Second), Draft{
			Kind:  "session.opened",
			Facts: map[string]string{"sid": strings.Repeat("s", i+1), "policy": "support-pin"},
			About: []Person{
				{ID: "dana", Fields: map[string]string{"agent": "Dana Reed", "reason": "T-4711"}},
				{ID: "olivia", Fields: map[string]string{"contact": "Olivia Owner"}},
			},
		})
		head = e.Head()
		out = append(out, e)
	}
	return out
}

func export(t testing.TB, entries []Entry) string {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		if err := e.Export(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestVerifyHolds(t *testing.T) {
	t.Parallel()
	report, err := Verify(strings.NewReader(export(t, chain(t, 5))))
	if err != nil {
		t.Fatal(err)
	}
	if report.Entries != 5 || report.Chain != "acme" || report.Erased != 0 {
		t.Errorf("report = %+v", report)
	}
}

func TestVerifyHoldsAfterErasure(t *testing.T) {
	t.Parallel()
	entries := chain(t, 3)
	entries[1].About = entries[1].About[:1] // Olivia is erased from one entry
	entries[2].About = nil
	report, err := Verify(strings.NewReader(export(t, entries)))
	if err != nil {
		t.Fatal(err)
	}
	if report.Erased != 2 {
		t.Errorf("erased = %d, want 2", report.Erased)
	}
}

func TestVerifyNamesFirstBrokenLink(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func([]Entry) []Entry
		seq    int64
		reason string
	}{
		"a fact":         {func(e []Entry) []Entry { e[2].Facts = map[string]string{"sid": "other"}; return e }, 3, "content"},
		"a fact's value": {func(e []Entry) []Entry { e[2].Facts["policy"] = "two-day-pin"; return e }, 3, "content"},
		"a kind":         {func(e []Entry) []Entry { e[2].Kind = "session.ended"; return e }, 3, "content"},
		"a time":         {func(e []Entry) []Entry { e[2].At = e[2].At.Add(time.Millisecond); return e }, 3, "content"},
		"a name":         {func(e []Entry) []Entry { e[1].About[0].Fields = map[string]string{"agent": "Eve"}; return e }, 2, `"agent"`},
		"a digest":       {func(e []Entry) []Entry { e[1].Digests["agent"] = []byte("x"); return e }, 2, "content"},
		"removed":        {func(e []Entry) []Entry { return append(e[:2], e[3:]...) }, 4, "missing"},
		"first removed":  {func(e []Entry) []Entry { return e[1:] }, 2, "missing"},
		"swapped":        {func(e []Entry) []Entry { e[1], e[2] = e[2], e[1]; return e }, 3, "missing"},
		"rehashed alone": {func(e []Entry) []Entry { e[1].Kind = "x"; e[1].Hash = e[1].Sum(); return e }, 3, "link"},
		"another chain":  {func(e []Entry) []Entry { e[3].Chain = "other"; e[3].Hash = e[3].Sum(); return e }, 4, "another record"},
		"all as another's": {func(e []Entry) []Entry {
			for i := range e {
				e[i].Chain = "other"
			}
			return e
		}, 1, "content"},
		"dated back": {func(e []Entry) []Entry { e[4].At = noon; e[4].Hash = e[4].Sum(); return e }, 5, "time"},
		"extra field": {func(e []Entry) []Entry {
			e[3].About = append(e[3].About, Person{ID: "p", Fields: map[string]string{"agent2": "Eve"}})
			return e
		}, 4, `"agent2"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Verify(strings.NewReader(export(t, tc.change(chain(t, 5)))))
			var broken *BrokenLink
			if !errors.As(err, &broken) {
				t.Fatalf("err = %v, want a broken link", err)
			}
			if broken.Seq != tc.seq || !strings.Contains(broken.Reason, tc.reason) {
				t.Errorf("broken = %v, want entry %d and %q", broken, tc.seq, tc.reason)
			}
		})
	}
}

func TestTimeNeverBeforePredecessor(t *testing.T) {
	t.Parallel()
	first := Head{}.Append("a", noon, Draft{Kind: "k"})
	second := first.Head().Append("a", noon.Add(-time.Hour), Draft{Kind: "k"})
	if second.At.Before(first.At) {
		t.Errorf("entry at %v after one at %v", second.At, first.At)
	}
}

// TestLengthsSeparate would fail if parts were joined without their lengths.
func TestLengthsSeparate(t *testing.T) {
	t.Parallel()
	a := Entry{Chain: "ab", Kind: "c", Facts: map[string]string{"k": "vw"}}
	b := Entry{Chain: "a", Kind: "bc", Facts: map[string]string{"kv": "w"}}
	if bytes.Equal(a.Sum(), b.Sum()) {
		t.Error("two different entries hash the same")
	}
	if bytes.Equal(Digest([]byte("s"), "ab", "c"), Digest([]byte("s"), "a", "bc")) {
		t.Error("two different fields have the same digest")
	}
}

// TestDigestsTellNothing: what stays of an erased field is not found by guessing,
// and does not tell that it was in another entry or field, too.
func TestDigestsTellNothing(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for range 2 {
		p := Person{ID: "dana", Fields: map[string]string{"agent": "Dana", "agent_email": "Dana"}}
		for _, d := range (Head{}).Append("acme", noon, Draft{Kind: "k", About: []Person{p}}).Digests {
			told[string(d)] = true
		}
	}
	for _, salt := range [][]byte{nil, make([]byte, 16)} {
		told[string(Digest(salt, "agent", "Dana"))] = true
	}
	if len(told) != 6 {
		t.Errorf("%d digests, want 6 that differ", len(told))
	}
}

// TestVerifyRefusesWhatItDoesNotKnow: a line that says more than is hashed would
// be believed for what nobody vouches for.
func TestVerifyRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{`{"`: `{"approved_by":"olivia","`, `"personal":{"dana":{"`: `"personal":{"dana":{"role":"admin","`} {
		text := export(t, chain(t, 1))
		more := strings.Replace(text, from, to, 1)
		if _, err := Verify(strings.NewReader(more)); err == nil || more == text {
			t.Errorf("verified: %s", more)
		}
	}
}

// TestWhatIsNoTextVerifies: an export is JSON, which keeps no bytes that are not
// UTF-8; an entry that was hashed with them would look changed for ever.
func TestWhatIsNoTextVerifies(t *testing.T) {
	t.Parallel()
	const raw = "a\xff\xfe\x00\u2028<b"
	e := Head{}.Append(raw, noon, Draft{Kind: "k", Facts: map[string]string{raw: raw},
		About: []Person{{ID: raw, Fields: map[string]string{raw: raw}}}})
	if report, err := Verify(strings.NewReader(export(t, []Entry{e}))); err != nil || report.Entries != 1 || report.Erased != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(export(f, chain(f, 2)))
	f.Add("{}\n")
	f.Add("null")
	f.Fuzz(func(t *testing.T, s string) {
		report, err := Verify(strings.NewReader(s))
		if err == nil && report.Entries > 0 && report.Last.Seq != int64(report.Entries) {
			t.Errorf("verified %d entries but ended at %d", report.Entries, report.Last.Seq)
		}
	})
}
