package revocation

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pausing reads a stream until it is fresh, and then no more.
func (w *world) pausing() (net.Conn, *bufio.Reader) {
	w.t.Helper()
	conn := w.dial("").conn
	reader := bufio.NewReaderSize(conn, 16)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasPrefix(line, "data: {\"seq\"") {
			synctest.Wait()
			return conn, reader
		}
	}
}

var told = regexp.MustCompile(`data: {"seq":(\d+),"sid":"[^"]+","ended_at":"[^"]+","credential":"[^"]+","cause":"revoked"}\n`)

// TestACrowdWaitsForNobody: who does not read keeps nobody waiting, misses nothing
// when they read on, and is dropped when they do not.
func TestACrowdWaitsForNobody(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		well := w.connect("")
		lateConn, late := w.pausing()
		_, _ = w.pausing() // and never reads on
		const n = 60       // more than a connection takes
		var want []string
		for i := range n {
			w.end()
			want = append(want, fmt.Sprint(i+1))
		}
		seqs := func(text string) (out []string) {
			for _, m := range told.FindAllStringSubmatch(text, -1) {
				out = append(out, m[1])
			}
			return out
		}
		if got := seqs(well.said()); !slices.Equal(got, want) {
			t.Errorf("who reads is told %v", got)
		}
		pass(writeTimeout - 3*time.Second)
		var text strings.Builder
		go func() { _, _ = io.Copy(&text, late) }()
		pass(4 * time.Second)
		if open := w.feed.Streams(); open != 2 {
			t.Errorf("%d streams are open, want that of who reads and that of who reads on", open)
		}
		w.end()
		synctest.Wait()
		_ = lateConn.Close()
		synctest.Wait()
		if got := seqs(text.String()); !slices.Equal(got, append(want, fmt.Sprint(n+1))) {
			t.Errorf("who reads on is told %v", got)
		}
	})
}

// TestEachOfACrowdIsToldTheirs: details are for the clients whose audience held a
// token, and what one has heard already is not told again because others have not.
func TestEachOfACrowdIsToldTheirs(t *testing.T) {
	t.Parallel()
	inBubbles(t, func(t *testing.T, w *world) {
		var here, elsewhere []*listener
		for range 3 {
			w.as = ""
			here = append(here, w.connect(""))
			w.as = "https://other.example/api"
			elsewhere = append(elsewhere, w.connect(""))
		}
		for range 2 {
			for _, l := range append(slices.Clone(here), elsewhere...) {
				l.said()
			}
			s := w.end()
			for i, l := range append(slices.Clone(here), elsewhere...) {
				got, theirs := l.said(), i < len(here)
				if strings.Count(got, "event: ended") != 1 || !strings.Contains(got, s.ID) || strings.Contains(got, s.Credential) != theirs {
					t.Errorf("reader %d, who is to know details: %v, is told\n%s", i, theirs, got)
				}
			}
		}
	})
}

// TestWhoHasLeftIsWrittenToNoMore: the number of a connection that is closed may be
// another's.
func TestWhoHasLeftIsWrittenToNoMore(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.connect("")
		l.said()
		var all []*member
		c := &w.feed.crowd
		c.mu.Lock()
		c.each(func(m *member) { all = append(all, m) })
		c.mu.Unlock()
		if len(all) != 1 {
			t.Fatalf("%d are in the crowd", len(all))
		}
		c.finish(all[0])
		if n, err := all[0].try([]byte("x")); n != 0 || err == nil {
			t.Errorf("who has left is written %d bytes, %v", n, err)
		}
	})
}
