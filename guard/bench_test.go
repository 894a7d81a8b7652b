package guard_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/big"
	"runtime"
	"strings"
	"testing"

	"github.com/valetkey/valetkey/guard"
	"github.com/valetkey/valetkey/guard/guardtest"
)

func newBench(b *testing.B) (*guardtest.Broker, *world) {
	b.Helper()
	broker := guardtest.New(b)
	w := newWorld(b, broker, func(c *guard.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	await(b, w.g.Fresh)
	return broker, w
}

// BenchmarkVerifyAgain is the cost of a token that was seen before: look-up by the
// whole token, expiry, freshness, ended or not.
func BenchmarkVerifyAgain(b *testing.B) {
	broker, w := newBench(b)
	tokens := make([]string, 1000)
	for i := range tokens {
		tokens[i] = broker.Mint(reader(fmt.Sprint("s", i)))
		if _, err := w.g.Verify(b.Context(), tokens[i], nil); err != nil {
			b.Fatal(err)
		}
	}
	ctx := context.Background()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := w.g.Verify(ctx, tokens[i%len(tokens)], nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyAgainParallel is the same from many goroutines.
func BenchmarkVerifyAgainParallel(b *testing.B) {
	broker, w := newBench(b)
	token := broker.Mint(reader("s1"))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.g.Verify(context.Background(), token, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkVerifyNew is the cost of a token that was not seen before. Compare it
// with BenchmarkSignature of the same run.
func BenchmarkVerifyNew(b *testing.B) {
	broker, w := newBench(b)
	token := broker.Mint(reader("s1"))
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		w.g.Forget()
		if _, err := w.g.Verify(ctx, token, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignature is the bare ECDSA verification of the same token.
func BenchmarkSignature(b *testing.B) {
	broker, w := newBench(b)
	token := broker.Mint(reader("s1"))
	key := w.published().Key.(*ecdsa.PublicKey)
	at := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil {
		b.Fatal(err)
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	b.ReportAllocs()
	for b.Loop() {
		sum := sha256.Sum256([]byte(token[:at]))
		if !ecdsa.Verify(key, sum[:], r, s) {
			b.Fatal("it is not right")
		}
	}
}

// BenchmarkIntrospection is what asking about each request costs instead.
func BenchmarkIntrospection(b *testing.B) {
	broker, w := newBench(b)
	token := broker.Mint(guardtest.Session{ID: "s1", Life: 2 * 3600e9, EndsIn: 3 * 3600e9}) // too long to be verified offline
	ctx := context.Background()
	for b.Loop() {
		if _, err := w.g.Verify(ctx, token, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEndedSession reports the memory of each ended session.
func BenchmarkEndedSession(b *testing.B) {
	_, w := newBench(b)
	const n = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		w.g.End(fmt.Sprintf("amgSlh45%014d", i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() { // the time is of no interest
	}
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/n, "B/session")
}
