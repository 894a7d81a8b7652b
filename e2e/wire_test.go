package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// exchange is one request and what came back.
type exchange struct {
	request string // method and URL
	status  int
	header  http.Header
	body    []byte
}

// text is everything that the program said in this exchange.
func (x exchange) text() string {
	var s strings.Builder
	_ = x.header.Write(&s)
	s.Write(x.body)
	return s.String()
}

// field returns a top-level string of a JSON body, or nothing.
func (x exchange) field(name string) string {
	var object map[string]any
	_ = json.Unmarshal(x.body, &object)
	s, _ := object[name].(string)
	return s
}

// decode reads a JSON body.
func (x exchange) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(x.body, into); err != nil {
		t.Fatalf("%s answers %d with no JSON: %v\n%s", x.request, x.status, err, x.body)
	}
}

// tape records every exchange, to look for secrets afterwards.
type tape struct {
	mu   sync.Mutex
	seen []exchange
}

func (r *tape) all() []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]exchange(nil), r.seen...)
}

// RoundTrip sends the request and records the answer.
func (r *tape) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, exchange{
		request: request.Method + " " + request.URL.String(),
		status:  response.StatusCode, header: response.Header.Clone(), body: body,
	})
	return response, nil
}

// send performs a request without following redirects.
func (b *broker) send(request *http.Request) exchange {
	b.t.Helper()
	client := http.Client{
		Transport:     b.tape,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		b.t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return exchange{
		request: request.Method + " " + request.URL.String(),
		status:  response.StatusCode, header: response.Header, body: body,
	}
}

// request builds one; a target without a host is the broker's, and what is
// addressed to the issuer goes to this node of it.
func (b *broker) request(method, target string, body io.Reader) *http.Request {
	b.t.Helper()
	target = b.at + strings.TrimPrefix(strings.TrimPrefix(target, b.issuer), b.at)
	if elsewhere, err := url.Parse(target); err != nil || !strings.HasPrefix(elsewhere.Path, "/") {
		b.t.Fatalf("%q is no address of the broker", target)
	}
	request, err := http.NewRequestWithContext(b.t.Context(), method, target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	return request
}

// post sends a form, with a client's basic authentication unless it is empty.
func (b *broker) post(target string, client app, form url.Values) exchange {
	b.t.Helper()
	request := b.request(http.MethodPost, target, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.secret != "" {
		request.SetBasicAuth(url.QueryEscape(client.id), url.QueryEscape(client.secret))
	}
	return b.send(request)
}

// get sends a GET, with a bearer token unless it is empty.
func (b *broker) get(target, bearer string) exchange {
	b.t.Helper()
	request := b.request(http.MethodGet, target, nil)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	return b.send(request)
}

// until waits for an instant that the program itself has named.
func until(instant time.Time) {
	<-time.After(time.Until(instant) + 50*time.Millisecond)
}
