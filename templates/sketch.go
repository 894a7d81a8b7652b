package templates

import (
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"sync"
)

// A page of a sign-in differs from the next visitor's in a few texts. Drawing it
// by its template costs about a tenth of a millisecond of processor time and
// 30 KiB of garbage, so it is drawn once, with marks where those texts stand, and
// cut there; from then on only the texts are escaped and put in.
//
// The texts may stand between tags and in quoted attributes, where this escapes
// as html/template does, and in an address only if they are opaque. Everything
// else that the page is made of is a part of its name.

// sketches are the pages that were drawn, by name.
type sketches struct {
	mark  string // stands before a letter in every gap; nobody can know it
	mu    sync.RWMutex
	drawn map[string]sketch
}

// maxSketches bounds how many are kept. What they are named by comes from the
// configuration, so there are few.
const maxSketches = 256

// sketch is a page in pieces. After the i-th one comes the text gaps[i]; after
// the last one nothing.
type sketch struct {
	pieces []string
	gaps   []int
}

func newSketches() *sketches {
	return &sketches{mark: "gap" + rand.Text(), drawn: map[string]sketch{}}
}

// write writes the page of this name with these texts. draw draws it by its
// template, with what it is given in the place of the texts.
func (k *sketches) write(w io.Writer, name []string, texts []string, draw func(io.Writer, []string) error) error {
	key := nameOf(name, texts)
	k.mu.RLock()
	page, found := k.drawn[key]
	full := len(k.drawn) >= maxSketches
	k.mu.RUnlock()
	if !found && full {
		return draw(w, texts)
	}
	if !found {
		var err error
		if page, err = k.draw(texts, draw); err != nil {
			return err
		}
		k.mu.Lock()
		k.drawn[key] = page
		k.mu.Unlock()
	}
	return page.fill(w, texts)
}

// nameOf tells apart what is drawn differently: also which texts are missing.
func nameOf(name, texts []string) string {
	var b strings.Builder
	for _, part := range name {
		b.WriteString(part)
		b.WriteByte(0)
	}
	for _, text := range texts {
		if text == "" {
			b.WriteByte('-')
		} else {
			b.WriteByte('+')
		}
	}
	return b.String()
}

func (k *sketches) draw(texts []string, draw func(io.Writer, []string) error) (sketch, error) {
	marks := make([]string, len(texts))
	for i, text := range texts {
		if text != "" {
			marks[i] = k.mark + string(rune('a'+i))
		}
	}
	var b bytes.Buffer
	if err := draw(&b, marks); err != nil {
		return sketch{}, err
	}
	var out sketch
	for i, piece := range strings.Split(b.String(), k.mark) {
		if i > 0 {
			out.gaps = append(out.gaps, int(piece[0]-'a'))
			piece = piece[1:]
		}
		out.pieces = append(out.pieces, piece)
	}
	return out, nil
}

// escaper escapes as html/template does in text and in quoted attributes.
var escaper = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;")

func (p sketch) fill(w io.Writer, texts []string) error {
	for i, piece := range p.pieces {
		if _, err := io.WriteString(w, piece); err != nil {
			return err
		}
		if i < len(p.gaps) {
			if _, err := escaper.WriteString(w, texts[p.gaps[i]]); err != nil {
				return err
			}
		}
	}
	return nil
}

// opaque reports that the text is the same in an address and in a page: letters,
// digits, hyphens and underscores.
func opaque(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}
