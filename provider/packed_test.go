package provider

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/valetkey/valetkey/internal/keys"
	"github.com/valetkey/valetkey/internal/keys/keystest"
)

func newSealer(t testing.TB) *keys.Sealer { return keystest.Secrets(t).Sealer("test") }

// fill puts something into every field of a struct, and something else into each.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case string:
			f.SetString(strings.Repeat("x", 100+i) + "\x00é")
		case []string:
			f.Set(reflect.ValueOf([]string{"", v.Type().Field(i).Name, strings.Repeat("y", 300)}))
		case bool:
			f.SetBool(true)
		case int64:
			f.SetInt(1<<50 + int64(i))
		case *int64:
			n := int64(i)
			f.Set(reflect.ValueOf(&n))
		default:
			panic(f.Type().String())
		}
	}
}

func fieldsOf(v any) (out []string) {
	for i := range reflect.TypeOf(v).NumField() {
		out = append(out, reflect.TypeOf(v).Field(i).Name)
	}
	return out
}

// TestEveryFieldIsCarried: nothing that a request or code says is lost on the way,
// and none of them is read by nodes that know other fields.
func TestEveryFieldIsCarried(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	var a, backA Request
	var c, backC code
	fill(reflect.ValueOf(&a).Elem())
	fill(reflect.ValueOf(&c).Elem())
	if err := openPacked(s, sealPacked(s, &a, "here"), "here", &backA); err != nil {
		t.Fatal(err)
	}
	a.Sealed, a.Browser = "", "" // these say where it lies
	if diff := cmp.Diff(a, backA); diff != "" {
		t.Error(diff)
	}
	if err := openPacked(s, sealPacked(s, &c, "here"), "here", &backC); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, backC); diff != "" {
		t.Error(diff)
	}
	for _, empty := range []*Request{{}, {MaxAge: new(int64)}} {
		var back Request
		if err := openPacked(s, sealPacked(s, empty, ""), "", &back); err != nil || !cmp.Equal(*empty, back) {
			t.Errorf("%+v comes back as %+v, %v", *empty, back, err)
		}
	}
	// Whoever changes the fields changes the form too: nodes of two versions serve
	// one browser for a while.
	for _, known := range []struct {
		form   byte
		fields []string
		want   string
	}{
		{a.form(), fieldsOf(a), "1 Client RedirectURI Scope State HasState Nonce Challenge Prompt MaxAge LoginHint Key Pushed FormPost Expected Spent ACR Claims At Sealed Browser"},
		{c.form(), fieldsOf(c), "1 ID Account SID RedirectURI Challenge Nonce Key Scope Claims At"},
	} {
		if got := string('0'+known.form) + " " + strings.Join(known.fields, " "); got != known.want {
			t.Errorf("the fields are others, so form must be another number too, here as well: %s", got)
		}
	}
}

// TestOpenPackedRefuses: what is not whole, or of another form, is no request.
func TestOpenPackedRefuses(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	var a Request
	fill(reflect.ValueOf(&a).Elem())
	sealed := sealPacked(s, &a, "here")
	plain, err := s.Open(sealed, "here")
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{"nothing": {}, "JSON": []byte(`{"c":"docs"}`), "of another form": append([]byte{2}, plain[1:]...),
		"with something after it": append(append([]byte{}, plain...), 0)}
	for i := range plain {
		bad["cut"+strings.Repeat("'", i)] = plain[:i]
	}
	for name, plain := range bad {
		var got Request
		if err := openPacked(s, s.Seal(plain, "here"), "here", &got); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("%.20s, %d bytes: %v", name, len(plain), err)
		}
	}
	if err := openPacked(s, sealed, "elsewhere", &a); !errors.Is(err, keys.ErrSealed) {
		t.Errorf("elsewhere: %v", err)
	}
}

// FuzzParcel: whatever is unpacked, it is a request that packs to one that is the
// same, or none.
func FuzzParcel(f *testing.F) {
	f.Add([]byte("\x01\x04docs"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add(make([]byte, 15))
	f.Fuzz(func(t *testing.T, plain []byte) {
		var a, b Request
		in := parcel{in: string(plain), opening: true}
		if a.carry(&in); in.bad || in.in != "" {
			return
		}
		var out parcel
		a.carry(&out)
		again := parcel{in: string(out.out), opening: true}
		if b.carry(&again); again.bad || again.in != "" || !cmp.Equal(a, b) {
			t.Errorf("%+v packs to %+v", a, b)
		}
	})
}
