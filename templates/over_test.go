package templates

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var markup = regexp.MustCompile(`<[^>]*>`)

// TestWhatAppsMakeOfAnEnd: the owner is told no more than an app has said.
func TestWhatAppsMakeOfAnEnd(t *testing.T) {
	t.Parallel()
	for how, page := range bothWays(t, Access{Now: testNow, Over: []Over{someOver("Docs"), {EndedAt: testNow.Add(-2 * time.Second)}}}) {
		text := strings.Join(strings.Fields(markup.ReplaceAllString(page, "")), " ")
		for _, want := range []string{
			"The access of Docs ended at 14:01:00 UTC.", "Docs refused after 12 ms", "Docs asks before each step, so it refuses",
			"Docs has not confirmed yet; it refuses by 14:06:00 UTC at the latest", "Docs has not confirmed; it had to refuse by 14:01:59 UTC",
			"The access of whoever held your temporary login ended", "They had not signed in to any app.",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", how, want, text)
			}
		}
	}
	for how, page := range bothWays(t, Access{Now: testNow}) {
		if strings.Contains(page, "over-title") {
			t.Errorf("%s tells of an end where there was none", how)
		}
	}
}

func TestQuick(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "1 ms", 900 * time.Microsecond: "1 ms", 12 * time.Millisecond: "12 ms", 2500 * time.Millisecond: "2.5 seconds", 75 * time.Second: "1 minute 15 seconds",
	} {
		if got := quick(d); got != want {
			t.Errorf("%v is told as %q, want %q", d, got, want)
		}
	}
}
