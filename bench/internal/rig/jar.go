package rig

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Jar is a browser's cookies of one host, whatever the port (RFC 6265): those of
// longer paths come first. On loopback browsers send secure cookies without TLS.
// All pages belong to one site, so that SameSite keeps nothing back, and nothing
// expires while a visit lasts.
type Jar []cookie

type cookie struct{ name, value, path string }

// Clone is another browser's, with the same cookies.
func (j Jar) Clone() Jar { return slices.Clone(j) }

// appendTo writes the cookies that belong to a path.
func (j Jar) appendTo(out []byte, path string) []byte {
	before := "Cookie: "
	for _, c := range j {
		if !c.matches(path) {
			continue
		}
		out = append(append(out, before...), c.name...)
		out = append(append(out, '='), c.value...)
		before = "; "
	}
	if before == "; " {
		out = append(out, "\r\n"...)
	}
	return out
}

func (c cookie) matches(path string) bool {
	rest, is := strings.CutPrefix(path, c.path)
	return is && (rest == "" || rest[0] == '/' || strings.HasSuffix(c.path, "/"))
}

// take keeps or removes what a reply sets. What a browser would refuse is an error,
// and so is a cookie for other hosts, which no server here has a use for.
func (j *Jar) take(line []byte, path string) error {
	pair, rest, _ := bytes.Cut(line, []byte(";"))
	name, value, is := bytes.Cut(pair, []byte("="))
	name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
	a, err := readAttributes(rest)
	if err != nil || !is || len(name) == 0 {
		return fmt.Errorf("%.200q is no cookie of this host", line)
	}
	host, secure := bytes.HasPrefix(name, []byte("__Host-")), bytes.HasPrefix(name, []byte("__Secure-"))
	if (host || secure) && !a.secure || host && a.path != "/" {
		return fmt.Errorf("a browser does not keep the cookie %.200q", line)
	}
	if a.path == "" {
		a.path = path[:max(1, strings.LastIndexByte(path, '/'))]
	}
	*j = slices.DeleteFunc(*j, func(c cookie) bool { return c.name == string(name) && c.path == a.path })
	if !a.gone {
		at := slices.IndexFunc(*j, func(c cookie) bool { return len(c.path) < len(a.path) })
		if at < 0 {
			at = len(*j)
		}
		*j = slices.Insert(*j, at, cookie{string(name), string(value), a.path})
	}
	return nil
}

type attributes struct {
	path         string // empty: not said
	secure, gone bool
}

func readAttributes(text []byte) (a attributes, err error) {
	lives := false // by Max-Age, which has precedence
	for len(text) > 0 {
		var one []byte
		one, text, _ = bytes.Cut(text, []byte(";"))
		name, value, _ := bytes.Cut(one, []byte("="))
		name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
		switch {
		case named(name, "Path") && bytes.HasPrefix(value, []byte("/")):
			a.path = string(value)
		case named(name, "Secure"):
			a.secure = true
		case named(name, "Domain") && len(value) > 0:
			return a, fmt.Errorf("for the domain %q", value)
		case named(name, "Max-Age"):
			n, err := strconv.Atoi(string(value))
			if err != nil {
				return a, err
			}
			a.gone, lives = n <= 0, true
		case named(name, "Expires") && !lives:
			at, err := http.ParseTime(string(value))
			if err != nil {
				return a, err
			}
			a.gone = at.Before(time.Now())
		}
	}
	return a, nil
}
