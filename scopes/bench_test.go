package scopes

import "testing"

// BenchmarkNarrow is what each token asks: requested, lent, the client's.
func BenchmarkNarrow(b *testing.B) {
	c := catalogue(b)
	requested := []string{"openid", "documents.read", "documents.write", "documents.delete", "billing.read"}
	lent, client := []string{"documents.read", "documents.write"}, Patterns{"documents.*", "billing.*"}
	b.ReportAllocs()
	for b.Loop() {
		if len(c.Narrow(requested, lent, client)) == 0 {
			b.Fatal("nothing is left")
		}
	}
}

// BenchmarkLend is what each mint asks.
func BenchmarkLend(b *testing.B) {
	c := catalogue(b)
	policy := []string{"documents.read", "documents.write"}
	b.ReportAllocs()
	for b.Loop() {
		if lent, _ := c.Lend([]string{"documents.read"}, policy, Patterns{"*.read"}, true); len(lent) != 1 {
			b.Fatal("it is not lent")
		}
	}
}
