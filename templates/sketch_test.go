package templates

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// drawn is what the template makes of a page, and put what comes of a sketch
// that was drawn for another visitor.
func sketched(t *testing.T, s *Set, first, page, plain func(io.Writer) error) (put, drawn string) {
	t.Helper()
	var a, b bytes.Buffer
	if err := first(io.Discard); err != nil {
		t.Fatal(err)
	}
	before := len(s.sketches.drawn)
	if err := page(&a); err != nil {
		t.Fatal(err)
	}
	if len(s.sketches.drawn) != before {
		t.Error("the page was drawn by its template, not put together")
	}
	if err := plain(&b); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

// TestASketchIsThePage: put together from pieces, each page is what its template
// makes, whatever the texts are.
func TestASketchIsThePage(t *testing.T) {
	t.Parallel()
	ends := time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)
	for i, text := range append(hostile, "", "a+b", "\x00", "\xff", "Ünïcode", "gap") {
		s := testSet(t)
		summary := func(text string, minutes int) Summary {
			return Summary{Request: "r" + text, Account: "A" + text, Handle: "H" + text, Contact: "C" + text, Ticket: "T" + text,
				Client: "Docs", Agent: Agent{Name: "N" + text, Connector: "SSO"}, Can: []string{"View"}, Never: []string{"Delete"},
				EndsAt: ends, Now: ends.Add(-time.Duration(minutes) * time.Minute), Existing: i%2 == 0}
		}
		p := summary(text, 7)
		put, drawn := sketched(t, s, func(w io.Writer) error { return s.Summary(w, summary("x", 90)) },
			func(w io.Writer) error { return s.Summary(w, p) },
			func(w io.Writer) error { return s.summary(w, summaryView{p, newClock(p.EndsAt, p.Now)}) })
		if put != drawn {
			t.Errorf("summary with %q:\n%s\nnot\n%s", text, put, drawn)
		}
		redeem := func(request, name string) Redeem {
			return Redeem{Request: request, Form: "f" + request, Client: "Docs", Agent: Agent{Name: name, Connector: "SSO"}}
		}
		put, drawn = sketched(t, s, func(w io.Writer) error { return s.Redeem(w, redeem("abc", "x")) },
			func(w io.Writer) error { return s.Redeem(w, redeem("DEF-_9", "N"+text)) },
			func(w io.Writer) error { return s.drawRedeem(w, redeem("DEF-_9", "N"+text)) })
		if put != drawn {
			t.Errorf("redeem with %q:\n%s\nnot\n%s", text, put, drawn)
		}
	}
	for name, like := range map[string]SignIn{
		"holders only":     {Client: "Docs", Holder: &LoginForm{}},
		"a choice":         {Client: "Docs", Connectors: []Choice{{"a", "A"}, {"b", "B"}}},
		"local and holder": {Connector: "a", Connectors: []Choice{{"a", "A"}}, Holder: &LoginForm{}},
	} {
		for _, s := range []*Set{testSet(t), testSet(t).Owners()} {
			with := func(request string) SignIn {
				p := like
				if p.Request = request; p.Holder != nil {
					p.Holder = &LoginForm{Request: request, Form: "form" + request}
				}
				return p
			}
			put, drawn := sketched(t, s, func(w io.Writer) error { return s.SignIn(w, with("abc")) },
				func(w io.Writer) error { return s.SignIn(w, with("DEF-_9")) },
				func(w io.Writer) error { return s.drawSignIn(w, with("DEF-_9")) })
			if put != drawn {
				t.Errorf("sign-in, %s:\n%s\nnot\n%s", name, put, drawn)
			}
		}
	}
}

// TestWhatIsTypedIsNoPartOfASketch: a page that shows what was typed or refused,
// or an address that has to be escaped, is drawn for its visitor alone.
func TestWhatIsTypedIsNoPartOfASketch(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	trouble := Problem{Text: "That did not match."}
	for name, write := range map[string]func(io.Writer) error{
		"username":       func(w io.Writer) error { return s.SignIn(w, SignIn{Request: "r", Connector: "a", Username: "sam"}) },
		"problem":        func(w io.Writer) error { return s.SignIn(w, SignIn{Request: "r", Connector: "a", Problem: trouble}) },
		"request":        func(w io.Writer) error { return s.SignIn(w, SignIn{Request: "a&b", Connector: "a"}) },
		"another's form": func(w io.Writer) error { return s.SignIn(w, SignIn{Request: "r", Holder: &LoginForm{Request: "q"}}) },
		"email":          func(w io.Writer) error { return s.SignIn(w, SignIn{Holder: &LoginForm{Email: "a@b.c"}}) },
		"account":        func(w io.Writer) error { return s.Redeem(w, Redeem{Account: "acme"}) },
		"refused":        func(w io.Writer) error { return s.Redeem(w, Redeem{Problem: trouble}) },
	} {
		if err := write(io.Discard); err != nil || len(s.sketches.drawn) != 0 {
			t.Errorf("%s: %d sketches, %v", name, len(s.sketches.drawn), err)
		}
	}
}

// TestSketchesAreBounded, and what does not fit any more is still the page; many
// may draw and fill at once.
func TestSketchesAreBounded(t *testing.T) {
	t.Parallel()
	s := testSet(t)
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for n := range maxSketches {
				var b bytes.Buffer
				client := fmt.Sprintf("Client %d-%d.", i%2, n)
				if err := s.SignIn(&b, SignIn{Request: "abc", Client: client, Holder: &LoginForm{Request: "abc", Form: "f"}}); err != nil {
					t.Error(err)
				}
				if page := b.String(); !strings.Contains(page, client) || strings.Contains(page, s.sketches.mark) {
					t.Errorf("%s is not on the page", client)
				}
			}
		})
	}
	wait.Wait()
	if n := len(s.sketches.drawn); n < maxSketches || n > maxSketches+3 {
		t.Errorf("%d sketches are kept", n)
	}
}
