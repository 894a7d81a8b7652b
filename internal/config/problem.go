package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Problem is one thing that is wrong, or questionable, in a configuration file.
// Its text never repeats a configured value, because the value may be a secret
// that was put under the wrong key.
type Problem struct {
	File string // name of the file as it was given to Load or Parse
	Line int    // counted from 1
	Key  string // dotted path, such as clients[docs].redirect_uris[0]; empty for the file as a whole
	Text string // a sentence that says what to do
}

// String prints the problem as FILE:LINE: key: text, on one line.
func (p Problem) String() string {
	if p.Key == "" {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, p.Key, p.Text)
}

// Problems is every problem of one file, in the order of its lines. It is the
// error that Load and Parse return for a file that can be read but not used.
type Problems []Problem

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// With adds problems that were found elsewhere in the same file, but for those
// about a key, or a part of one, that has a problem already: they would say the
// same in other words.
func (ps Problems) With(more Problems) Problems {
	out := append(Problems(nil), ps...)
	for _, p := range more {
		if !slices.ContainsFunc(ps, func(have Problem) bool { return p.Key == have.Key || within(have.Key, p.Key) }) {
			out = append(out, p)
		}
	}
	out.sort()
	return out
}

// within reports whether a key is a part of another one.
func within(key, of string) bool {
	return strings.HasPrefix(key, of+".") || strings.HasPrefix(key, of+"[")
}

// sort orders by line and keeps the order of discovery within a line.
func (ps Problems) sort() {
	sort.SliceStable(ps, func(i, j int) bool { return ps[i].Line < ps[j].Line })
}
