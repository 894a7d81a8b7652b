package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	timeout = 5 * time.Second // of a request to the broker
	maxBody = 256 << 10       // of a response
	// maxAsking is how many introspections there are at a time.
	maxAsking = 64
)

// answer is a response of the broker.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newTransport follows no redirect: where the broker is, the configuration says.
// Without a transport of the app's it has one like the standard library's, which
// keeps more than two connections of a host.
func newTransport(from *http.Client, limit time.Duration) *http.Client {
	client := &http.Client{Timeout: limit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if from != nil {
		client.Transport = from.Transport
	}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok && client.Transport == nil {
		own := standard.Clone()
		own.MaxIdleConnsPerHost = maxAsking
		client.Transport = own
	}
	return client
}

// newStream is a client for the feed, whose answers have no end and give no
// connection back. Where a transport allows so many of a host, they are not among
// them: the stream would keep everything else from the broker, and the next stream.
func newStream(from *http.Client) *http.Client {
	client := newTransport(from, 0)
	if bounded, ok := client.Transport.(*http.Transport); ok && bounded.MaxConnsPerHost > 0 {
		own := bounded.Clone()
		own.MaxConnsPerHost = 0
		client.Transport = own
	}
	return client
}

// send sends a request to the broker and reads the response, within limits.
func (g *Guard) send(r *http.Request) (answer, error) {
	sent := g.clock.read()
	response, err := g.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	if r.Method == http.MethodPost { // any other answer may lie in a cache since long ago
		g.compare(response.Header, sent)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("the response is too long")
	}
	return answer{response.StatusCode, response.Header, body}, err
}

// do is send for who needs no header.
func (g *Guard) do(r *http.Request) (status int, body []byte, err error) {
	a, err := g.send(r)
	return a.status, a.body, err
}

// why is what the broker said of a request that it refused, for the log of whoever
// runs the app: an OAuth error (RFC 6749 section 5.2) or a problem (RFC 9457). It is
// somebody else's text: not much of it, on one line, escaped.
func why(status int, body []byte) string {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Title       string `json:"title"`
		Detail      string `json:"detail"`
	}
	_ = json.Unmarshal(body, &said) // an answer of something in between says nothing
	out := strconv.Itoa(status)
	for _, text := range []string{said.Error, said.Description, said.Title, said.Detail} {
		if text != "" {
			out += " " + escaped(text)
		}
	}
	return out
}

// escaped is a text of somebody else, cut and between quotation marks: it can
// neither begin a line of the log nor look like more than it is.
func escaped(text string) string { return fmt.Sprintf("%.200q", text) }

// form makes a POST to one of the broker's OAuth endpoints, as the guard's client.
func (g *Guard) form(ctx context.Context, endpoint string, values url.Values) (*http.Request, error) {
	return g.app.form(ctx, endpoint, g.cfg.Issuer, g.wall(), values)
}

// origin checks that a URL is https, or http on loopback, and returns scheme and
// host.
func origin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, "?#") {
		return "", fmt.Errorf("%q is not the URL of a server", text)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", fmt.Errorf("%q must be https: http is for loopback only", text)
	}
	return u.Scheme + "://" + u.Host, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
