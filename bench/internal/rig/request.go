package rig

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Request is what is asked.
type Request struct {
	Method string // GET, where it is empty
	URL    string // absolute; a server on loopback, without TLS
	Auth   string // the Authorization header
	Type   string // of the body
	Body   []byte

	cookies Jar
	origin  string // of the page that a browser sends a form from
}

const formType = "application/x-www-form-urlencoded"

// Send sends a request and reads the answer.
func (v *Visitor) Send(ctx context.Context, r Request) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, err
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	host, target, err := split(r.URL)
	if err != nil {
		return Reply{}, err
	}
	now := time.Now()
	l, err := v.line(host, now)
	if err != nil {
		return Reply{}, err
	}
	l.out = r.appendTo(l.out[:0], host, target)
	got, err := l.exchange(now)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", r.Method, path(target), err)
	}
	if err != nil || got.closes {
		v.drop(host)
	}
	return got, err
}

// appendTo writes the request as it goes over the wire.
func (r *Request) appendTo(out []byte, host, target string) []byte {
	out = append(out, r.Method...)
	out = append(out, ' ')
	out = append(out, target...)
	out = append(out, " HTTP/1.1\r\n"...)
	out = header(out, "Host", host)
	out = header(out, "User-Agent", "valetkey-bench")
	if r.Auth != "" {
		out = header(out, "Authorization", r.Auth)
	}
	out = r.cookies.appendTo(out, path(target))
	if r.origin != "" {
		out = header(out, "Origin", r.origin)
		out = header(out, "Sec-Fetch-Site", "same-origin")
	}
	if r.Type != "" {
		out = header(out, "Content-Type", r.Type)
	}
	if r.Method != http.MethodGet {
		out = append(out, "Content-Length: "...)
		out = append(strconv.AppendInt(out, int64(len(r.Body)), 10), "\r\n"...)
	}
	return append(append(out, "\r\n"...), r.Body...)
}

func header(out []byte, name, value string) []byte {
	out = append(append(out, name...), ": "...)
	return append(append(out, value...), "\r\n"...)
}

// split parts a URL into the host and what is asked for there. A server's own word
// may be in it, which must not reach beyond the request's first line.
func split(address string) (host, target string, err error) {
	rest, is := strings.CutPrefix(address, "http://")
	host, target = rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, target = rest[:i], rest[i:]
	}
	target, _, _ = strings.Cut(target, "#")
	if !is || host == "" || target[0] != '/' {
		return "", "", fmt.Errorf("%q is no address of a server here", address)
	}
	for i := range len(rest) {
		if rest[i] <= ' ' || rest[i] >= 0x7f {
			return "", "", fmt.Errorf("%q is no address", address)
		}
	}
	return host, target, nil
}

// path is what is asked for without its query.
func path(target string) string {
	target, _, _ = strings.Cut(target, "?")
	return target
}

// resolve is where a link leads from a page.
func resolve(page, link string) (string, error) {
	host, _, err := split(page)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(link, "http://"):
		return link, nil
	case strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//"):
		return "http://" + host + link, nil
	}
	at, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(link)
	if err != nil {
		return "", err
	}
	return to.String(), nil
}

// param is what a query says under a name, once.
func param(query, name string) (string, error) {
	value, found := "", false
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, text, _ := strings.Cut(pair, "=")
		if key != name {
			continue
		}
		if found {
			return "", errors.New("twice " + name)
		}
		var err error
		if value, err = url.QueryUnescape(text); err != nil {
			return "", err
		}
		found = true
	}
	return value, nil
}

// pairs appends names and values as a form sends them.
func pairs(out []byte, all ...string) []byte {
	for i := 0; i+1 < len(all); i += 2 {
		if len(out) > 0 {
			out = append(out, '&')
		}
		out = append(append(out, url.QueryEscape(all[i])...), '=')
		out = append(out, url.QueryEscape(all[i+1])...)
	}
	return out
}

// basic is how an app says who it is.
func (a App) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.ID+":"+a.Secret))
}
