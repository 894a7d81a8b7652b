package demo

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"text/template"
	"time"
)

//go:embed broker.yaml
var brokerText string

var brokerFile = template.Must(template.New("broker.yaml").Parse(brokerText))

// audience names the app's API in access tokens. It is a name, not an address.
const audience = "https://docs.northwind.example/api"

// World is everything of the demonstration but the broker.
type World struct {
	BrokerURL string // where the broker has to be

	// The broker's redirect URIs at the two issuers, set before Build.
	OwnersReturn, AgentsReturn string

	docs, staff Site
	secrets     secrets
	app         *Docs
}

// secrets are those between the broker and its neighbours, new in every world.
type secrets struct{ Customers, Staff, Docs, API string }

// Site is a listener with what it serves.
type Site struct {
	Listener net.Listener
	Handler  http.Handler // set by Build
}

// URL is the site's origin.
func (s Site) URL() string { return "http://" + s.Listener.Addr().String() }

// Open takes the ports: base is meant for the broker, the next one for Docs and
// the one after for the staff's sign-in. Another one is taken where one is not
// free, and for a base of 0.
func Open(base int) (*World, error) {
	w := &World{secrets: secrets{rand.Text(), rand.Text(), rand.Text(), rand.Text()}}
	var ports [3]net.Listener
	for i := range ports {
		l, err := listen(base, i)
		if err != nil {
			w.Close()
			return nil, err
		}
		switch i {
		case 0:
			defer func() { _ = l.Close() }() // held until the others have theirs
			w.BrokerURL = Site{Listener: l}.URL()
		case 1:
			w.docs.Listener = l
		case 2:
			w.staff.Listener = l
		}
	}
	return w, nil
}

// listen takes a port of loopback, and of nothing else: who can reach this can
// sign in as anybody.
func listen(base, i int) (net.Listener, error) {
	if base > 0 {
		if l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(base+i)); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no port of this machine is free: %w", err)
	}
	return l, nil
}

// Leave ends what the app does by itself. Until then the broker has to be there.
func (w *World) Leave() {
	if w.app != nil {
		_ = w.app.Close()
	}
}

// Close gives everything back.
func (w *World) Close() {
	w.Leave()
	for _, s := range []Site{w.docs, w.staff} {
		if s.Listener != nil {
			_ = s.Listener.Close()
		}
	}
}

// Config is the broker's configuration.
func (w *World) Config() ([]byte, error) {
	var out bytes.Buffer
	err := brokerFile.Execute(&out, map[string]any{
		"Broker": w.BrokerURL, "Listen": w.BrokerURL[len("http://"):], "Docs": w.docs.URL(), "Staff": w.staff.URL(),
		"Customers": w.docs.URL() + customersPath, "Audience": audience, "Secrets": w.secrets,
	})
	return out.Bytes(), err
}

const customersPath = "/id"

// Build makes the app and its people, and returns what is to be served.
func (w *World) Build(now func() time.Time, log *slog.Logger) ([]Site, error) {
	customers, staff := w.customersIssuer(now), w.staffIssuer(now)
	product, people := http.NewServeMux(), http.NewServeMux()
	w.app = w.northwind(customers, now, log)
	if err := errors.Join(w.app.Mount(product), customers.Mount(product), staff.Mount(people)); err != nil {
		return nil, err
	}
	w.docs.Handler, w.staff.Handler = named(w.docs, product), named(w.staff, people)
	return []Site{w.docs, w.staff}, nil
}

func (w *World) customersIssuer(now func() time.Time) *Issuer {
	return &Issuer{URL: w.docs.URL() + customersPath, Name: "Northwind account", Cookie: "northwind-account", People: Customers(), Now: now,
		Clients: []Client{{ID: "valetkey", Name: "Support access", Secret: w.secrets.Customers,
			RedirectURIs: []string{w.OwnersReturn}}}}
}

func (w *World) staffIssuer(now func() time.Time) *Issuer {
	return &Issuer{URL: w.staff.URL(), Name: "Northwind SSO", Cookie: "northwind-sso", People: Staff(), Now: now,
		Clients: []Client{{ID: "valetkey", Name: "Support sign-in", Secret: w.secrets.Staff,
			RedirectURIs: []string{w.AgentsReturn}}}}
}

func (w *World) northwind(customers *Issuer, now func() time.Time, log *slog.Logger) *Docs {
	return &Docs{Customers: customers, Library: NewLibrary("acme", "Acme"), Now: now, Log: log, Broker: &Broker{
		Issuer: w.BrokerURL, Audience: audience, RedirectURI: w.docs.URL() + "/support/callback",
		ClientID: "docs", ClientSecret: w.secrets.Docs, APIClientID: "docs-api", APIClientSecret: w.secrets.API}}
}

// named serves requests that call the site by its own name. A page elsewhere
// whose name was made to lead to this machine does not.
func named(s Site, h http.Handler) http.Handler {
	host := s.Listener.Addr().String()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "This site has another name: "+s.URL(), http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Guide says what to open and what to try.
func (w *World) Guide() string {
	return fmt.Sprintf(`Northwind Docs, the demonstration of valetkey, is at

    %s

  Lend         "I am a customer": Olivia Owner. Settings, Support access, generate a Support PIN.
  Enter        In a second tab, "I am on the support team": Dana Reed, account 4821 and the PIN.
  Look around  Read documents. Deleting and billing are refused, and say why.
  Take back    In the first tab: Revoke access. Dana is refused, and the page says how soon.

The broker is at %s, staff sign in at %s.
Ctrl-C ends everything, and leaves nothing behind.
`, w.docs.URL(), w.BrokerURL, w.staff.URL())
}
