package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/valetkey/valetkey/internal/store"
	"github.com/valetkey/valetkey/revocation"
)

// metrics is what operators see. No label comes from a visitor.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
	calls    *prometheus.CounterVec
}

// counted adds what the store counts.
func (m *metrics) counted(s *store.Store) {
	counter := func(name, help string, value func() int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	counter("valetkey_database_commits_total", "Transactions committed.", func() int64 { n, _ := s.Counts(); return n })
	counter("valetkey_database_statements_total", "Statements run, the beginnings and ends of transactions included.", func() int64 { _, n := s.Counts(); return n })
}

// follow adds what the feed of endings says of itself.
func (m *metrics) follow(feed *revocation.Feed, log *revocation.Log) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("valetkey_endings_streams", "Apps that follow the endings at this node.", func() float64 { return float64(feed.Streams()) })
	gauge("valetkey_endings_kept", "Endings that a token could still need.", func() float64 {
		v, _ := log.View()
		return float64(len(v.Endings))
	})
	gauge("valetkey_endings_age_seconds", "Since the last read of the log of endings that confirmed it began.", func() float64 {
		v, _ := log.View()
		return time.Since(v.Confirmed).Seconds()
	})
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "valetkey_http_requests_total",
			Help: "Requests answered, by status."}, []string{"code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "valetkey_http_request_seconds",
			Help: "Time to answer a request.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
	}
	m.calls = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "valetkey_logout_calls_total",
		Help: "Back-channel logout calls to apps, by outcome: delivered, failed (tried again), given_up."}, []string{"outcome"})
	m.registry.MustRegister(m.requests, m.seconds, m.calls, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// called counts a call to an app.
func (m *metrics) called(outcome string) { m.calls.WithLabelValues(outcome).Inc() }

// count counts what next answers.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		s := &status{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(s, r)
		m.requests.WithLabelValues(strconv.Itoa(s.code)).Inc()
		m.seconds.Observe(time.Since(begun).Seconds())
	})
}

type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the writer beneath.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
