package guard_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/internal/testkit"
)

// TestAClockThatIsWrong is told of once, with how wrong it is and which way; and
// again when that has changed much, or it was right in between.
func TestAClockThatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		moves []time.Duration // each followed by a while of work
		says  []string
	}{
		"right":                    {[]time.Duration{0}, nil},
		"nearly right":             {[]time.Duration{5 * time.Second, -9 * time.Second}, nil},
		"a little ahead":           {[]time.Duration{8 * time.Second, 0}, []string{"[67]s ahead of"}},
		"ahead":                    {[]time.Duration{37 * time.Second, 0, 0}, []string{"3[5-7]s ahead of"}},
		"behind":                   {[]time.Duration{-time.Hour, 0, 0}, []string{"(1h0m0s|59m5[89]s) behind"}},
		"drifting":                 {[]time.Duration{20 * time.Second, time.Second, time.Second, time.Second}, []string{"(1|2)[0-9]s ahead of"}},
		"wrong and then otherwise": {[]time.Duration{20 * time.Second, -50 * time.Second}, []string{"(1|2)[0-9]s ahead of", "(2|3)[0-9]s behind"}},
		"put right, and again":     {[]time.Duration{20 * time.Second, -20 * time.Second, 20 * time.Second, 0}, []string{"(1|2)[0-9]s ahead of", "(1|2)[0-9]s ahead of"}},
		"hardly better, and again": {[]time.Duration{8 * time.Second, -4 * time.Second, 4 * time.Second}, []string{"[67]s ahead of"}},
		"and then much more":       {[]time.Duration{20 * time.Second, time.Hour}, []string{"(1|2)[0-9]s ahead of", "1h0m(1|2)?[0-9]s ahead of"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				for _, by := range c.moves {
					w.clocks.Set(by)
					for i := range 30 {
						token := w.broker.Mint(reader("s" + string(rune('a'+i))))
						w.request("GET", document, token)
						time.Sleep(3 * time.Second)
					}
				}
				said := clockSaid(w.log)
				if len(said) != len(c.says) {
					w.Fatalf("said %q, want %q", said, c.says)
				}
				for i, want := range c.says {
					if !regexp.MustCompile("^" + want + "$").MatchString(said[i]) {
						w.Errorf("said %q, want %q", said, c.says)
					}
				}
			})
		})
	}
}

// clockSaid is how wrong the clock is, as often as the log says it.
func clockSaid(log *testkit.Log) (said []string) {
	for _, found := range regexp.MustCompile(`this machine's clock is (.*?) the broker's`).FindAllStringSubmatch(log.String(), -1) {
		said = append(said, found[1])
	}
	return said
}

// dated has the answers to GETs come from a cache, where they have been for an hour.
type dated struct{ next http.RoundTripper }

func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := d.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && r.URL.Path != "/api/v1/endings" {
		answer.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
	}
	return answer, err
}

func TestAnAnswerFromACacheTellsNoTime(t *testing.T) {
	bubble(t, func(w *world) {
		w.want(w.request("GET", document, w.broker.Mint(reader("s1"))), 200, "")
		if said := clockSaid(w.log); said != nil || w.broker.Requests("/jwks") == 0 {
			w.Errorf("said %q", said)
		}
	}, func(c *guard.Config) { c.HTTPClient = &http.Client{Transport: dated{c.HTTPClient.Transport}} })
}
