package connectors

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

func codeAt(t *testing.T, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(totpSecret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		skew  time.Duration
		typed func(string) string
		err   error
	}{
		{"now", 0, nil, nil},
		{"one step ago", -30 * time.Second, nil, nil},
		{"one step ahead", 30 * time.Second, nil, nil},
		{"two steps ago", -60 * time.Second, nil, ErrNoSignIn},
		{"two steps ahead", 60 * time.Second, nil, ErrNoSignIn},
		{"in two groups", 0, func(s string) string { return " " + s[:3] + " " + s[3:] }, nil},
		{"cut", 0, func(s string) string { return s[:5] }, ErrNoSignIn},
		{"empty", 0, func(string) string { return "" }, ErrNoSignIn},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, clock := team(t)
			code := codeAt(t, clock.now().Add(c.skew))
			if c.typed != nil {
				code = c.typed(code)
			}
			p, err := l.Code(t.Context(), here, "sam", code)
			if !errors.Is(err, c.err) || (err == nil) != (p.Username == "sam") {
				t.Errorf("%q, %v; want %v", p.Username, err, c.err)
			}
		})
	}
}

// TestCodeOfNobody: there is no way around the password by asking for the code
// of somebody who has none.
func TestCodeOfNobody(t *testing.T) {
	t.Parallel()
	l, c := team(t)
	for _, name := range []string{"dana", "nobody", ""} {
		if _, err := l.Code(t.Context(), here, name, codeAt(t, c.now())); !errors.Is(err, ErrNoSignIn) {
			t.Errorf("%q: %v, want ErrNoSignIn", name, err)
		}
	}
}

// TestCodeIsGoodOnce: of many who send the same code at once, one gets in; the
// next code is good again.
func TestCodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	l, c := team(t)
	code := codeAt(t, c.now())
	var in, refused atomic.Int64
	var all sync.WaitGroup
	for range pairLimit {
		all.Go(func() {
			switch _, err := l.Code(t.Context(), here, "sam", code); {
			case err == nil:
				in.Add(1)
			case errors.Is(err, ErrNoSignIn):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || refused.Load() != pairLimit-1 {
		t.Errorf("%d of %d get in with one code, %d are refused", in.Load(), pairLimit, refused.Load())
	}
	c.add(30 * time.Second)
	if _, err := l.Code(t.Context(), here, "sam", code); !errors.Is(err, ErrNoSignIn) {
		t.Errorf("a step later the same code: %v, want ErrNoSignIn", err)
	}
	c.add(nameWindow)
	if _, err := l.Code(t.Context(), here, "sam", codeAt(t, c.now())); err != nil {
		t.Errorf("the next code: %v", err)
	}
}

// TestCodesThatHappenToBeAlike: of two steps with the same code the one's use is
// the other's, too, whichever comes first, for as long as the one used is looked at.
func TestCodesThatHappenToBeAlike(t *testing.T) {
	t.Parallel()
	alike := time.Unix(60779457*otpStep, 0) // found by trying
	if codeAt(t, alike) != codeAt(t, alike.Add(otpStep*time.Second)) {
		t.Fatal("the two steps have different codes: nothing is tested")
	}
	for first := -1; first <= 2; first++ {
		for second := first; second <= min(2, first+2); second++ {
			l, c := team(t)
			c.add(alike.Add(time.Duration(first*otpStep) * time.Second).Sub(c.now()))
			if _, err := l.Code(t.Context(), here, "sam", codeAt(t, alike)); err != nil {
				t.Fatalf("%d steps on: %v", first, err)
			}
			c.add(time.Duration((second-first)*otpStep) * time.Second)
			if _, err := l.Code(t.Context(), here, "sam", codeAt(t, alike)); !errors.Is(err, ErrNoSignIn) {
				t.Errorf("%d steps on, after %d: %v, want ErrNoSignIn", second, first, err)
			}
		}
	}
}

// brokenOTP cannot remember which codes were used.
type brokenOTP struct{}

var errBroken = errors.New("the database is away")

func (brokenOTP) UseOTP(context.Context, string, int64) (bool, error) { return false, errBroken }

// TestCodeInDoubt: what cannot be remembered as used is not accepted, and is
// no failure of the person's.
func TestCodeInDoubt(t *testing.T) {
	t.Parallel()
	l, c := team(t)
	l.OTP = brokenOTP{}
	for range 2 * nameLimit {
		if _, err := l.Code(t.Context(), here, "sam", codeAt(t, c.now())); !errors.Is(err, errBroken) {
			t.Fatalf("%v, want the database's error", err)
		}
	}
}
