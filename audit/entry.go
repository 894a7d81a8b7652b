package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// Draft is what a decision writes before it has its place in a chain.
type Draft struct {
	Kind  string            // what happened: "credential.minted"
	Facts map[string]string // what is no person's: ids, scopes, causes
	About []Person          // whom it names; these fields can be erased
}

// Person is the personal part of an entry: the fields that speak of one person.
type Person struct {
	ID     string            // a pseudonym, the key by which a person is erased
	Salt   []byte            // 16 random bytes; erased with the fields
	Fields map[string]string // "agent": "Dana Reed"; a name occurs once in an entry
}

// Entry is a link of a chain.
type Entry struct {
	Chain   string // the account's id; empty for the installation
	Seq     int64  // from 1, without gaps
	At      time.Time
	Kind    string
	Facts   map[string]string
	Digests map[string][]byte // personal field → SHA-256 of salt, name and value
	About   []Person          // nil where erased
	Prev    []byte            // the predecessor's hash; nil at Seq 1
	Hash    []byte
}

// Head is the end of a chain: what the next entry is linked to.
type Head struct {
	Seq  int64
	Hash []byte
	At   time.Time
}

// Append links the draft to the head and returns the entry; the next head is
// entry.Head(). An entry's time is never before its predecessor's: a clock
// that went back must not make a record that seems to have been reordered.
func (h Head) Append(chain string, now time.Time, d Draft) Entry {
	now = now.UTC().Truncate(time.Microsecond)
	if now.Before(h.At) {
		now = h.At
	}
	e := Entry{
		Chain: chain, Seq: h.Seq + 1, At: now, Kind: d.Kind, Facts: d.Facts,
		Prev: h.Hash, About: make([]Person, 0, len(d.About)), Digests: map[string][]byte{},
	}
	for _, p := range d.About {
		p.Salt = make([]byte, 16)
		_, _ = rand.Read(p.Salt) // crypto/rand.Read never returns an error
		for name, value := range p.Fields {
			e.Digests[name] = Digest(p.Salt, name, value)
		}
		e.About = append(e.About, p)
	}
	e.Hash = e.Sum()
	return e
}

// Head is the end of the chain once e is its last entry.
func (e Entry) Head() Head { return Head{Seq: e.Seq, Hash: e.Hash, At: e.At} }

// Digest is the salted hash by which an entry vouches for a personal field.
func Digest(salt []byte, name, value string) []byte {
	w := newSum("valetkey/record/field/1")
	w.bytes(salt)
	w.text(name)
	w.text(value)
	return w.Sum(nil)
}

// Sum computes the hash that the entry should have. Every part is written
// with its length first, and maps in the order of their keys, so that two
// different entries never hash the same bytes.
func (e Entry) Sum() []byte {
	w := newSum("valetkey/record/entry/1")
	w.bytes(e.Prev)
	w.text(e.Chain)
	w.number(e.Seq)
	w.number(e.At.UnixMicro())
	w.text(e.Kind)
	w.number(int64(len(e.Facts)))
	for _, k := range slices.Sorted(maps.Keys(e.Facts)) {
		w.text(k)
		w.text(e.Facts[k])
	}
	w.number(int64(len(e.Digests)))
	for _, k := range slices.Sorted(maps.Keys(e.Digests)) {
		w.text(k)
		w.bytes(e.Digests[k])
	}
	return w.Sum(nil)
}

type sum struct{ hash.Hash }

func newSum(label string) sum {
	w := sum{sha256.New()}
	w.text(label)
	return w
}

func (w sum) number(n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n)) //nolint:gosec // two's complement is what is meant
	w.Write(b[:])
}

func (w sum) bytes(b []byte) {
	w.number(int64(len(b)))
	w.Write(b)
}

// text writes s as JSON keeps it: bytes that are no UTF-8 are lost there.
func (w sum) text(s string) {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	w.bytes([]byte(s))
}
