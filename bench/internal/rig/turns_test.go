package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// long is a reply that comes in many pieces.
var long = strings.Repeat("0123456789", 100_000)

func TestVisitorsTakeTurns(t *testing.T) {
	t.Parallel()
	const n, times = 20, 30
	var all atomic.Int64
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if all.Add(1) == n {
			close(arrived)
		}
		<-arrived // until all have asked once: none waits for another
		if r.URL.Query().Get("n") == "7" {
			w.Header().Set("Connection", "close")
		}
		_, _ = fmt.Fprint(w, r.URL.Query().Get("who"), long[:len(long)>>(all.Load()%20)])
	}))
	defer server.Close()
	visitors := make([]*Visitor, n)
	for i := range visitors {
		visitors[i] = NewVisitor(&Site{})
	}
	for range 2 {
		var done atomic.Int64
		err := take(t.Context(), visitors, func(i int) error {
			for k := range times {
				who := fmt.Sprintf("<%d-%d>", i, k)
				got, err := visitors[i].Get(t.Context(), fmt.Sprintf("%s/?n=%d&who=%s", server.URL, k, who))
				if err != nil {
					return err
				}
				if !strings.HasPrefix(string(got.Body), who+"0") {
					return fmt.Errorf("%s is answered with %.20q", who, got.Body)
				}
			}
			done.Add(1)
			return nil
		})
		if err != nil || done.Load() != n {
			t.Errorf("%d are done: %v", done.Load(), err)
		}
	}
	if all.Load() != 2*n*times {
		t.Errorf("%d requests", all.Load())
	}
}

func TestTurnsTellErrors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	paths := []string{"/gone", "/", "nowhere"}
	visitors := []*Visitor{NewVisitor(nil), NewVisitor(nil), NewVisitor(nil)}
	var errs [3]error
	err := take(t.Context(), visitors, func(i int) error {
		_, errs[i] = visitors[i].Get(t.Context(), server.URL+paths[i])
		return errs[i]
	})
	for i := range errs {
		if errs[i] == nil || !errors.Is(err, errs[i]) {
			t.Errorf("%s: %v; of all %v", paths[i], errs[i], err)
		}
	}
}

func TestTurnsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	visitors := []*Visitor{NewVisitor(nil)}
	ended := false
	err := take(ctx, visitors, func(int) error {
		defer func() { ended = true }()
		_, err := visitors[0].Get(ctx, server.URL)
		return err
	})
	if !errors.Is(err, context.Canceled) || !ended || len(visitors[0].lines) > 0 {
		t.Errorf("%v; it has ended: %v", err, ended)
	}
}
