package provider

import (
	"encoding/binary"
	"math"

	"github.com/valetkey/valetkey/internal/keys"
)

// What travels sealed from page to page is opened by each of them: written as
// JSON that took a twentieth of a sign-in. So it is packed: a number that says by
// which form, then field after field, each text with its length before it.

// packed is what can be packed. Its carry names the fields, in their order, for
// packing and for unpacking.
type packed interface {
	form() byte // another one whenever the fields are others
	carry(p *parcel)
}

// parcel packs fields, or takes them out again.
type parcel struct {
	out     []byte // what is packed
	in      string // what is still to be taken out
	opening bool
	bad     bool // what is to be taken out is not there
}

// sealPacked seals what v carries for this place.
func sealPacked(s *keys.Sealer, v packed, bound string) string {
	p := parcel{out: append(make([]byte, 0, 512), v.form())}
	v.carry(&p)
	return s.Seal(p.out, bound)
}

// openPacked opens what sealPacked made for the same place into v. What another
// version packed by another form does not open.
func openPacked(s *keys.Sealer, sealed, bound string, v packed) error {
	plain, err := s.Open(sealed, bound)
	if err != nil {
		return err
	}
	if len(plain) == 0 || plain[0] != v.form() {
		return keys.ErrSealed
	}
	p := parcel{in: string(plain[1:]), opening: true}
	if v.carry(&p); p.bad || p.in != "" {
		return keys.ErrSealed
	}
	return nil
}

// size carries a length or a number that is not negative.
func (p *parcel) size(n uint64) uint64 {
	if !p.opening {
		p.out = binary.AppendUvarint(p.out, n)
		return n
	}
	head := p.in[:min(len(p.in), binary.MaxVarintLen64)]
	n, length := binary.Uvarint([]byte(head))
	if length <= 0 {
		p.bad, p.in = true, ""
		return 0
	}
	p.in = p.in[length:]
	return n
}

func (p *parcel) text(s *string) {
	n := p.size(uint64(len(*s)))
	switch {
	case !p.opening:
		p.out = append(p.out, *s...)
	case n > uint64(len(p.in)):
		p.bad = true
	default:
		*s, p.in = p.in[:n], p.in[n:]
	}
}

// texts carries a list. None and nil are the same.
func (p *parcel) texts(list *[]string) {
	n := p.size(uint64(len(*list)))
	if p.opening {
		if n > uint64(len(p.in)) { // each takes at least its length
			p.bad = true
			return
		}
		if *list = nil; n > 0 {
			*list = make([]string, n)
		}
	}
	for i := range *list {
		p.text(&(*list)[i])
	}
}

// number carries what is not negative.
func (p *parcel) number(n *int64) {
	carried := p.size(uint64(max(*n, 0))) //nolint:gosec // not negative
	switch {
	case carried > math.MaxInt64:
		p.bad = true
	case p.opening:
		*n = int64(carried) //nolint:gosec // no more than that
	}
}

// flags carries up to 64 yes and no.
func (p *parcel) flags(all ...*bool) {
	var bits uint64
	for i, f := range all {
		if *f {
			bits |= 1 << i
		}
	}
	bits = p.size(bits)
	if p.opening {
		for i, f := range all {
			*f = bits&(1<<i) != 0
		}
		p.bad = p.bad || bits>>len(all) != 0
	}
}
