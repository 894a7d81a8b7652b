package rig

import "testing"

func TestTheAppChecksWhatComesBack(t *testing.T) {
	t.Parallel()
	says, quiet := &Site{Issuer: "http://issuer", SaysIssuer: true}, &Site{Issuer: "http://issuer"}
	for query, want := range map[string][2]bool{ // with iss promised, and not
		"code=c&state=s&iss=http%3A%2F%2Fissuer": {true, true},
		"code=c&state=s":                         {false, true},
		"code=c&state=s&iss=http%3A%2F%2Fother":  {false, true},
		"code=c&state=t&iss=http%3A%2F%2Fissuer": {},
		"code=c&iss=http%3A%2F%2Fissuer":         {},
		"state=s&iss=http%3A%2F%2Fissuer":        {},
		"error=access_denied&state=s":            {},
		"code=c&code=d&state=s":                  {},
	} {
		for i, site := range []*Site{says, quiet} {
			b := browser{Visitor: NewVisitor(site), state: "s"}
			if err := b.back(query); (err == nil) != want[i] || want[i] && b.code != "c" {
				t.Errorf("%s: the code is %q, %v", query, b.code, err)
			}
		}
	}
}
