package guard

import "testing"

// TestAReceiptGoesNotBack: while one stream is exchanged for the next, the old one
// may tell what the new one has told already. The receipt must still say all.
func TestAReceiptGoesNotBack(t *testing.T) {
	t.Parallel()
	a := newAcks()
	for _, step := range []struct{ reached, want cursor }{
		{cursor{"a", 6}, cursor{"a", 6}},
		{cursor{"a", 5}, cursor{"a", 6}},
		{cursor{"a", 6}, cursor{"a", 6}}, // again, after a replay
		{cursor{"b", 1}, cursor{"b", 1}}, // after a restore
	} {
		a.reached(step.reached, instant{})
		if got, _ := a.get(); got != step.want {
			t.Errorf("after %v: %v, want %v", step.reached, got, step.want)
		}
	}
	a.forget() // the broker lost something
	if a.reached(cursor{"b", 0}, instant{}); a.newest != (cursor{"b", 0}) {
		t.Errorf("after a reset: %v", a.newest)
	}
}
