package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// line is an entry as the verifiable export writes it, one JSON object a line.
// Digests, salts and hashes are base64 (RFC 4648 section 4).
type line struct {
	Chain    string                `json:"chain"`
	Seq      int64                 `json:"seq"`
	At       time.Time             `json:"at"` // RFC 3339, UTC, microseconds
	Kind     string                `json:"kind"`
	Facts    map[string]string     `json:"facts"`
	Personal map[string]lineFields `json:"personal,omitempty"` // by person
	Digests  map[string][]byte     `json:"digests,omitempty"`
	Prev     []byte                `json:"prev,omitempty"`
	Hash     []byte                `json:"hash"`
}

// lineFields is what an export says about one person in an entry; it is absent
// once the person was erased.
type lineFields struct {
	Salt   []byte            `json:"salt"`
	Fields map[string]string `json:"fields"`
}

// Export writes the entry as one line.
func (e Entry) Export(w io.Writer) error {
	l := line{Chain: e.Chain, Seq: e.Seq, At: e.At, Kind: e.Kind, Facts: e.Facts, Digests: e.Digests, Prev: e.Prev, Hash: e.Hash}
	for _, p := range e.About {
		if l.Personal == nil {
			l.Personal = map[string]lineFields{}
		}
		l.Personal[p.ID] = lineFields{Salt: p.Salt, Fields: p.Fields}
	}
	return json.NewEncoder(w).Encode(l)
}

// BrokenLink is the first place at which a chain does not hold.
type BrokenLink struct {
	Chain  string
	Seq    int64 // the entry that does not fit
	Line   int   // its line in the export, from 1; 0 when not read from one
	Reason string
}

func (b *BrokenLink) Error() string {
	where := fmt.Sprintf("entry %d of the record of %q", b.Seq, b.Chain)
	if b.Line > 0 {
		where = fmt.Sprintf("line %d, %s", b.Line, where)
	}
	return where + ": " + b.Reason
}

// Report is what a verification found to hold.
type Report struct {
	Entries int
	Erased  int    // entries of which personal fields were erased
	Chain   string // whose record it is
	Last    Head
}

// verifier follows one chain, oldest entry first. It must start at entry 1.
type verifier struct{ report Report }

// add verifies that e follows what was added before. Its error is a *BrokenLink.
func (v *verifier) add(e Entry) error {
	last := v.report.Last
	broken := func(format string, args ...any) error {
		return &BrokenLink{Chain: e.Chain, Seq: e.Seq, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case v.report.Entries > 0 && e.Chain != v.report.Chain:
		return broken("it belongs to another record than the lines before (%q)", v.report.Chain)
	case e.Seq != last.Seq+1:
		return broken("entry %d is missing before it", last.Seq+1)
	case !bytes.Equal(e.Prev, last.Hash):
		return broken("it does not link to entry %d", last.Seq)
	case e.At.Before(last.At):
		return broken("its time is before that of entry %d", last.Seq)
	case !bytes.Equal(e.Hash, e.Sum()):
		return broken("its content does not match its hash")
	}
	seen := 0
	for _, p := range e.About {
		for name, value := range p.Fields {
			seen++
			if !bytes.Equal(e.Digests[name], Digest(p.Salt, name, value)) {
				return broken("its field %q does not match its digest", name)
			}
		}
	}
	if seen < len(e.Digests) {
		v.report.Erased++
	}
	v.report.Entries++
	v.report.Chain = e.Chain
	v.report.Last = e.Head()
	return nil
}

// maxLine bounds one line of an export, in bytes.
const maxLine = 1 << 20

// Verify reads an export, oldest entry first, and verifies every link. A
// broken one is a *BrokenLink that names the first.
func Verify(r io.Reader) (Report, error) {
	var v verifier
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		e, err := parseLine(lines.Bytes())
		if err != nil {
			return v.report, fmt.Errorf("line %d is not an entry of an export: %w", n, err)
		}
		if err := v.add(e); err != nil {
			var broken *BrokenLink
			if errors.As(err, &broken) {
				broken.Line = n
			}
			return v.report, err
		}
	}
	if err := lines.Err(); err != nil {
		return v.report, fmt.Errorf("the export cannot be read to its end: %w", err)
	}
	return v.report, nil
}

func parseLine(b []byte) (Entry, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Entry{}, err
	}
	e := Entry{Chain: l.Chain, Seq: l.Seq, At: l.At, Kind: l.Kind, Facts: l.Facts, Digests: l.Digests, Prev: l.Prev, Hash: l.Hash}
	for id, p := range l.Personal {
		e.About = append(e.About, Person{ID: id, Salt: p.Salt, Fields: p.Fields})
	}
	return e, nil
}
