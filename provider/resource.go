package provider

import (
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// targets reports whether every resource that a request names (RFC 8707 section
// 2) is this audience. There is one for each client, so naming it, once or
// several times, or not at all, is the same.
func targets(form url.Values, audience string) bool {
	for _, resource := range form["resource"] {
		if resource != "" && resource != audience { // without a value it is as if it were not there
			return false
		}
	}
	return true
}

const targetText = "each resource must be the audience of this client, exactly"

func errTarget() *oidc.Error { return oidcError("invalid_target", targetText) }

// checkTarget looks at the resources of an authorization request.
func checkTarget(q url.Values, c *Client, _ *Request) *authError {
	if !targets(q, c.Audience) {
		return refuse("invalid_target", targetText)
	}
	return nil
}

// repeats reports whether a parameter comes more than once that must not:
// resource alone may (RFC 8707 section 2).
func repeats(form url.Values) bool {
	for name, values := range form {
		if len(values) > 1 && name != "resource" {
			return true
		}
	}
	return false
}
