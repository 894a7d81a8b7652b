package main

import (
	"strings"
	"testing"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// TestOnlyRoundsThatThePeerAnsweredAreCompared, and it is told how many these are.
func TestOnlyRoundsThatThePeerAnsweredAreCompared(t *testing.T) {
	t.Parallel()
	own, peer := &server{name: "own", site: &rig.Site{Alg: "ES256"}, broker: &rig.Broker{}}, &server{name: "peer", site: &rig.Site{Alg: "ES256"}}
	round := func(rate, failed float64) rig.Measured { return rig.Measured{Rate: rate, Server: 1, Failed: failed} }
	ours := []rig.Measured{round(300, 0), round(300, 0), round(300, 0)}
	for _, c := range []struct {
		what        string
		its         []rig.Measured
		brief, line string
	}{
		{"all", []rig.Measured{round(100, 0), round(100, most), round(100, 0)}, "3.00, 1.00", "database"},
		{"one fails", []rig.Measured{round(100, 0), round(1, .5), round(100, 0)}, "3.00, 1.00", "in 2 of 3 rounds: in the others more than 33 % of what the peer was asked failed"},
		{"all fail", []rig.Measured{round(1, .9), round(1, .5), round(1, 1)}, "-", "is not compared: in each round more than 33 % of what the peer was asked failed"},
	} {
		r := results{own: ours, peer: c.its}
		if got := r.brief(own, peer); got != c.brief {
			t.Errorf("%s: %q, want %q", c.what, got, c.brief)
		}
		lines := r.beside(8, []*server{own, peer})
		if len(lines) != 1 || !strings.HasSuffix(lines[0], c.line) || strings.Contains(lines[0], "0.00") {
			t.Errorf("%s: %q, want %q at its end", c.what, lines, c.line)
		}
	}
}
