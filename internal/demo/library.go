package demo

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Document is one text of an account.
type Document struct {
	ID      string
	Title   string
	Text    string
	Changed string // by whom and when; empty: never
}

// Settings are an account's.
type Settings struct {
	Team    string // the name that colleagues see
	Summary bool   // whether a summary is sent each week
}

// Invoice is one line of an account's billing.
type Invoice struct{ Month, Amount string }

// tenant is everything of one customer account.
type tenant struct {
	documents []Document
	settings  Settings
	invoices  []Invoice
}

// Library is what the product keeps, by account. An account sees its own and
// nothing else: every method takes the account's id first.
type Library struct {
	mu      sync.Mutex
	tenants map[string]*tenant
}

// NewLibrary fills a library for one account.
func NewLibrary(account, team string) *Library {
	return &Library{tenants: map[string]*tenant{account: {
		documents: []Document{
			{ID: "travel", Title: "Travel policy", Text: "Trains first, planes where a train takes more than six hours.\n\nKeep receipts for everything above 20 euros and send them in by the fifth of the next month."},
			{ID: "prices", Title: "Price list, autumn", Text: "Standard plan: 12 euros for each person and month.\nTeam plan: 9 euros, from ten people on.\n\nPrices hold until the end of the year."},
			{ID: "minutes", Title: "Minutes of Monday", Text: "Present: Olivia, Uma, Jonas.\n\nThe move to the new office is planned for the second week of May. Uma asks two movers for an offer."},
		},
		settings: Settings{Team: team, Summary: true},
		invoices: []Invoice{{"September", "108.00 euros"}, {"August", "108.00 euros"}, {"July", "96.00 euros"}},
	}}}
}

// in runs f with the account's things; without it there are none.
func (l *Library) in(account string, f func(*tenant)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tenants[account]; t != nil {
		f(t)
	}
}

// Documents lists an account's documents.
func (l *Library) Documents(account string) (out []Document) {
	l.in(account, func(t *tenant) { out = slices.Clone(t.documents) })
	return out
}

// Document finds one document of an account.
func (l *Library) Document(account, id string) (out Document, ok bool) {
	l.in(account, func(t *tenant) {
		if d := t.find(id); d != nil {
			out, ok = *d, true
		}
	})
	return out, ok
}

func (t *tenant) find(id string) *Document {
	i := slices.IndexFunc(t.documents, func(d Document) bool { return d.ID == id })
	if i < 0 {
		return nil
	}
	return &t.documents[i]
}

// Change gives a document another text.
func (l *Library) Change(account, id, text, who string, at time.Time) {
	l.in(account, func(t *tenant) {
		if d := t.find(id); d != nil {
			d.Text, d.Changed = text, fmt.Sprintf("Changed by %s at %s", who, clock(at))
		}
	})
}

// Delete removes a document.
func (l *Library) Delete(account, id string) {
	l.in(account, func(t *tenant) {
		t.documents = slices.DeleteFunc(t.documents, func(d Document) bool { return d.ID == id })
	})
}

// Settings returns an account's settings.
func (l *Library) Settings(account string) (out Settings) {
	l.in(account, func(t *tenant) { out = t.settings })
	return out
}

// SetSettings changes an account's settings.
func (l *Library) SetSettings(account string, s Settings) {
	l.in(account, func(t *tenant) { t.settings = s })
}

// Invoices lists what an account was billed.
func (l *Library) Invoices(account string) (out []Invoice) {
	l.in(account, func(t *tenant) { out = slices.Clone(t.invoices) })
	return out
}

// clock writes a time as the person at this machine reads it on the wall.
func clock(t time.Time) string { return t.Local().Format("15:04") }
