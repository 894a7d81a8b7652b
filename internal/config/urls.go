package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// The functions below say what is wrong with a URL in a sentence, or nothing.

// issuerProblem: OpenID Connect Discovery 1.0, section 3, and no trailing slash,
// because issuers are compared as texts.
func issuerProblem(s string) string {
	if problem := webProblem(s); problem != "" {
		return problem
	}
	switch {
	case strings.ContainsAny(s, "?#"):
		return "must have no query and no fragment; remove what follows ? or #"
	case strings.HasSuffix(s, "/"):
		return "must not end in a slash; remove it"
	}
	return ""
}

// homeProblem looks at the broker's own issuer: pages, cookies and endpoints lie
// at the root of its host.
func homeProblem(s string) string {
	if problem := issuerProblem(s); problem != "" {
		return problem
	}
	if u, _ := parseURL(s); u.Path != "" {
		return "must have no path, since the broker's pages and endpoints lie at the root of its host; give it a host of its own, such as https://access.example.com"
	}
	return ""
}

// upstreamProblem looks at somebody else's issuer, which may end in a slash.
func upstreamProblem(s string) string { return issuerProblem(strings.TrimSuffix(s, "/")) }

// webProblem accepts absolute https URLs, and http ones on loopback.
func webProblem(s string) string {
	u, ok := parseURL(s)
	switch {
	case !ok, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return "must be an absolute URL that begins with https://"
	case u.User != nil:
		return "must not hold a user name or password; remove what stands before @"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "must begin with https://; http is accepted on loopback only"
	}
	return ""
}

// endpointProblem: a URL of an app that the broker calls.
func endpointProblem(s string) string {
	if problem := webProblem(s); problem != "" {
		return problem
	}
	if strings.Contains(s, "#") {
		return "must have no fragment; remove what follows #"
	}
	return ""
}

// redirectProblem: RFC 6749, section 3.1.2, and RFC 8252, section 7.1, whose
// private schemes only apps without a secret may use. Their dot keeps out
// javascript: and its like.
func redirectProblem(s string, public bool) string {
	u, ok := parseURL(s)
	if ok && strings.Contains(u.Scheme, ".") && !strings.Contains(s, "#") {
		if !public {
			return "has a scheme of its own, which only a client with public: true may use; write an https:// URL"
		}
		return ""
	}
	return endpointProblem(s)
}

// originProblem: scheme, host and port as browsers send them, and nothing else.
func originProblem(s string) string {
	if problem := webProblem(s); problem != "" {
		return problem
	}
	if u, _ := parseURL(s); s != u.Scheme+"://"+u.Host {
		return "must be an origin such as https://app.example.com, without anything after the host and port"
	}
	if s != strings.ToLower(s) {
		return "must be in lower case, as browsers send it"
	}
	return ""
}

func parseURL(s string) (*url.URL, bool) {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return nil, false
		}
	}
	u, err := url.Parse(s)
	return u, err == nil && u.IsAbs()
}

// loopback tells whether a host is this machine and no other.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func isPostgres(s string) bool {
	u, ok := parseURL(s)
	return ok && (u.Scheme == "postgres" || u.Scheme == "postgresql") && (u.Host != "" || u.Query().Has("host"))
}
