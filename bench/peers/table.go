package main

import (
	"fmt"
	"unicode/utf8"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// results are what was measured of each server, round after round.
type results map[*server][]rig.Measured

// print says the medians of the rounds, and for each row of the broker how many
// times a peer's rate its own is, and how many times its processor time, of server
// and database together, the peer's is: the medians of the rounds' ratios.
func (r results) print(m mode, n int, taking []*server) {
	var peers []*server
	fmt.Printf("\n%-18s %7s  %-28s %10s %8s %8s %8s %14s %16s %17s %8s", "mode", "clients", "server", "per second", "p50 ms", "p99 ms", "failed", "server CPU ms", "database CPU ms", "generator CPU ms", "MiB")
	for _, s := range taking {
		if s.broker == nil {
			peers = append(peers, s)
			fmt.Printf("  %s", heading(s))
		}
	}
	fmt.Println()
	for _, s := range taking {
		r.row(m, n, s)
		if s.broker != nil {
			for _, peer := range peers {
				fmt.Printf("  %*s", utf8.RuneCountInString(heading(peer)), r.brief(s, peer))
			}
		}
		fmt.Println()
	}
}

func (r results) row(m mode, n int, s *server) {
	mid := func(of func(rig.Measured) float64) float64 {
		all := make([]float64, 0, len(r[s]))
		for _, g := range r[s] {
			all = append(all, of(g))
		}
		return rig.Median(all)
	}
	fmt.Printf("%-18s %7d  %-28s %10.0f %8.2f %8.2f %7.1f%% %14.3f %16.3f %17.3f %8.0f", m.name, n, s.name,
		mid(func(g rig.Measured) float64 { return g.Rate }),
		mid(func(g rig.Measured) float64 { return rig.Milliseconds(g.P50) }),
		mid(func(g rig.Measured) float64 { return rig.Milliseconds(g.P99) }),
		mid(func(g rig.Measured) float64 { return 100 * g.Failed }),
		mid(func(g rig.Measured) float64 { return rig.Milliseconds(g.Server) }),
		mid(func(g rig.Measured) float64 { return rig.Milliseconds(g.Database) }),
		mid(func(g rig.Measured) float64 { return rig.Milliseconds(g.Generator) }), rig.Mebibytes(s.process().Memory()))
}

func (r results) brief(s, peer *server) string {
	rate, cost, rounds := r.ratios(s, peer)
	if rounds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f, %.2f", rate, cost)
}

// heading is that of the ratios to a peer.
func heading(peer *server) string { return "× " + peer.name }

// ratios are how many times the peer's rate the server's is, and how many times
// the server's processor time the peer's, and in how many rounds.
func (r results) ratios(s, peer *server) (rate, cost float64, rounds int) {
	var rates, costs []float64
	for i, own := range r[s] {
		its := r[peer][i]
		if its.Failed > most {
			continue
		}
		rates = append(rates, own.Rate/its.Rate)
		costs = append(costs, float64(its.Server+its.Database)/float64(own.Server+own.Database))
	}
	return rig.Median(rates), rig.Median(costs), len(rates)
}

// beside says how the broker compares with each peer that signs ID tokens with the
// same algorithm.
func (r results) beside(n int, taking []*server) (lines []string) {
	for _, s := range taking {
		for _, peer := range taking {
			if s.broker == nil || peer.broker != nil || s.site.Alg != peer.site.Alg {
				continue
			}
			rate, cost, rounds := r.ratios(s, peer)
			what := fmt.Sprintf("%6.2f times the rate, %6.2f times less processor time of server and database", rate, cost)
			switch {
			case rounds == 0:
				what = fmt.Sprintf("is not compared: in each round more than %.0f %% of what the peer was asked failed", 100*most)
			case rounds < len(r[s]):
				what += fmt.Sprintf(", in %d of %d rounds: in the others more than %.0f %% of what the peer was asked failed", rounds, len(r[s]), 100*most)
			}
			lines = append(lines, fmt.Sprintf("%3d clients  %-24s beside %-28s %s", n, s.name, peer.name, what))
		}
	}
	return lines
}
