package audit

import (
	"testing"
	"time"
)

// BenchmarkAppend is an entry with two personal fields, chained.
func BenchmarkAppend(b *testing.B) {
	d := Draft{Kind: "session.opened", Facts: map[string]string{"credential": "xjTym4AIiempiBQ9NTuz1g", "policy": "support-pin", "sid": "kdzVXbjwEV7YoMLynn7C6w", "scopes": "documents.read"},
		About: []Person{{ID: "q1uBNcAV-2-cE6qlA-yTZA", Fields: map[string]string{"agent": "Dana R.", "reason": "ticket 4711"}}}}
	var h Head
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		h = h.Append("acme", now, d).Head()
	}
}
