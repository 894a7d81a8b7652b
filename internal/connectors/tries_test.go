package connectors

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLimitOfAName holds from any number of addresses, for the right password
// too, until its time is over; other names are not touched by it.
func TestLimitOfAName(t *testing.T) {
	t.Parallel()
	l, c := team(t)
	for i := range nameLimit {
		if _, _, err := l.Password(t.Context(), fmt.Sprint("192.0.2.", i), "dana", "wrong"); !errors.Is(err, ErrNoSignIn) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	for _, password := range []string{"wrong", rightPassword} {
		if _, _, err := l.Password(t.Context(), "198.51.100.1", "dana", password); !errors.Is(err, ErrTooMany) {
			t.Errorf("one too many: %v, want ErrTooMany", err)
		}
	}
	if _, _, err := l.Password(t.Context(), "192.0.2.1", "sam", rightPassword); err != nil {
		t.Errorf("another name from the same address: %v", err)
	}
	c.add(nameWindow)
	if _, _, err := l.Password(t.Context(), here, "dana", rightPassword); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// TestLimitFromOneAddress keeps somebody there from trying on, and the person
// themselves not from signing in elsewhere.
func TestLimitFromOneAddress(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	for i := range pairLimit + 1 {
		_, _, err := l.Password(t.Context(), "192.0.2.1", "dana", "wrong")
		if want := map[bool]error{true: ErrTooMany, false: ErrNoSignIn}[i == pairLimit]; !errors.Is(err, want) {
			t.Errorf("try %d: %v, want %v", i, err, want)
		}
	}
	if _, _, err := l.Password(t.Context(), "198.51.100.1", "dana", rightPassword); err != nil {
		t.Errorf("the person, from elsewhere: %v", err)
	}
}

// TestUnknownNamesAreLimitedAlike: what the limit says must not tell which
// names there are.
func TestUnknownNamesAreLimitedAlike(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	for _, name := range []string{"dana", "nobody"} {
		for i := range nameLimit + 1 {
			_, _, err := l.Password(t.Context(), fmt.Sprint("192.0.2.", i), name, "wrong")
			if want := map[bool]error{true: ErrTooMany, false: ErrNoSignIn}[i == nameLimit]; !errors.Is(err, want) {
				t.Errorf("%s, try %d: %v, want %v", name, i, err, want)
			}
		}
	}
}

func TestLimitOfAnAddress(t *testing.T) {
	t.Parallel()
	l, c := team(t)
	for i := range addressLimit {
		if _, _, err := l.Password(t.Context(), here, fmt.Sprint("guess", i), "wrong"); !errors.Is(err, ErrNoSignIn) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if _, _, err := l.Password(t.Context(), here, "dana", rightPassword); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v, want ErrTooMany", err)
	}
	if _, _, err := l.Password(t.Context(), "203.0.113.8", "dana", rightPassword); err != nil {
		t.Errorf("from another address: %v", err)
	}
	c.add(addressWindow)
	if _, _, err := l.Password(t.Context(), here, "dana", rightPassword); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

// TestRightOnesAreNoFailures: an office signs in all day from one address.
func TestRightOnesAreNoFailures(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	for i := range 2 * addressLimit {
		if _, _, err := l.Password(t.Context(), here, "dana", rightPassword); err != nil {
			t.Fatalf("sign-in %d: %v", i, err)
		}
	}
}

// TestCodesAreLimited: somebody who knows the password cannot try all codes.
func TestCodesAreLimited(t *testing.T) {
	t.Parallel()
	l, c := team(t)
	for i := range nameLimit {
		if _, err := l.Code(t.Context(), fmt.Sprint("192.0.2.", i), "sam", "wrong"); !errors.Is(err, ErrNoSignIn) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if _, err := l.Code(t.Context(), here, "sam", codeAt(t, c.now())); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v, want ErrTooMany", err)
	}
}

// TestParallelTriesDoNotBeatTheLimit: a try is taken before it is compared.
func TestParallelTriesDoNotBeatTheLimit(t *testing.T) {
	t.Parallel()
	l, _ := team(t)
	var compared, refused atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			switch _, _, err := l.Password(t.Context(), fmt.Sprint("192.0.2.", i), "dana", "wrong"); {
			case errors.Is(err, ErrNoSignIn):
				compared.Add(1)
			case errors.Is(err, ErrTooMany):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if compared.Load() != nameLimit || refused.Load() != 200-nameLimit {
		t.Errorf("%d compared and %d refused, want %d and %d", compared.Load(), refused.Load(), nameLimit, 200-nameLimit)
	}
}

// TestMemoryIsBounded: visitors choose names and addresses; what is kept of
// them has an end. A name that has just failed is not what is forgotten.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	c := newClock()
	tries := &Tries{Now: c.now}
	for i := range maxKept + 100 {
		tries.take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), fmt.Sprint("name", i))
		if i >= maxKept {
			tries.take("10.255.255.255", "the last")
		}
	}
	if len(tries.names) > maxKept || len(tries.addresses) > maxKept {
		t.Errorf("%d names and %d addresses are kept, want at most %d", len(tries.names), len(tries.addresses), maxKept)
	}
	if tries.names["the last"].count == 0 {
		t.Error("a name that fails at this moment is forgotten")
	}
	c.add(addressWindow)
	tries.take(here, "another")
	if len(tries.names) != 1 || len(tries.addresses) != 1 {
		t.Errorf("after their time %d names and %d addresses are kept", len(tries.names), len(tries.addresses))
	}
}

// TestAddressesOfOneSubscriber: whoever has a /64 has one address here.
func TestAddressesOfOneSubscriber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"@", "@", true},
	} {
		if got := network(c.a) == network(c.b); got != c.same {
			t.Errorf("%s and %s: same %v, want %v", c.a, c.b, got, c.same)
		}
	}
	tries := &Tries{Now: newClock().now}
	for i := range addressLimit {
		if !tries.take(fmt.Sprintf("2001:db8::%x", i+1), fmt.Sprint("name", i)) {
			t.Fatalf("try %d is refused", i)
		}
	}
	if tries.take("2001:db8::ffff", "another") {
		t.Error("another address of the same /64 has tries of its own")
	}
}
