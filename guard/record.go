package guard

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// action is what the record is told: POST /api/v1/actions.
type action struct {
	ID      string `json:"id"`
	SID     string `json:"sid"`
	Action  string `json:"action"`
	Target  string `json:"target,omitempty"`
	Scope   string `json:"scope"`
	Outcome string `json:"outcome"`
}

const (
	started = "started"
	refused = "refused"
)

// acting describes what a request of a session is about to do.
func (o *route) acting(s *Session, r *http.Request, outcome string) action {
	if o.scope == "" && s.route != nil { // an account that is required apart
		o = s.route
	}
	a := action{ID: rand.Text(), SID: s.ID, Action: line(o.nameOf(r), 200), Scope: o.scope, Outcome: outcome}
	if o.target != nil && outcome == started { // who is refused must not choose what stands there
		a.Target = line(o.target(r), 500)
	}
	return a
}

// nameOf is the action's name: the declared one, or "METHOD pattern".
func (o *route) nameOf(r *http.Request) string {
	if o.action != "" {
		return o.action
	}
	_, pattern, found := strings.Cut(r.Pattern, " ")
	if !found {
		pattern = r.Pattern
	}
	if pattern == "" { // a router that does not say; a path may hold personal data
		pattern = o.scope
	}
	return r.Method + " " + pattern
}

// line makes text one line of so many bytes at most.
func line(text string, most int) string {
	text = strings.ToValidUTF8(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, text), "")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// begin writes an action to the record before it runs. The error is a *Refusal,
// and then it must not run.
func (g *Guard) begin(ctx context.Context, a action) error {
	if g.cfg.Record == Async && g.actions.offer(a) {
		return nil
	}
	return g.write(ctx, a)
}

// recordLimit is how long a request waits for its action to be recorded, whatever
// the broker does; the request's own context may end it earlier.
const recordLimit = 2 * timeout

// write reports one action and waits for the answer. It is sent a second time
// under the same id where there is none: it is recorded once. The second time is
// for a node that has died with the connection to it still open.
func (g *Guard) write(ctx context.Context, a action) error {
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	var problem item
	status, err := g.post(ctx, "/api/v1/actions", a, &problem)
	if (err != nil || status >= 500) && ctx.Err() == nil {
		status, err = g.post(ctx, "/api/v1/actions", a, &problem)
	}
	if err != nil {
		g.log.ErrorContext(ctx, "guard: an action could not be recorded, and was not done", "action", a.Action, "sid", a.SID, "error", err)
		return errNoRecord
	}
	problem.Status = status
	return g.answered(ctx, a, problem)
}

// item is what the API says of one action, alone or in a batch.
type item struct {
	Status int    `json:"status"`
	Seq    int64  `json:"seq"` // where it stands in the account's record, from 1
	Detail string `json:"detail"`

	// of a session that has ended, with 409
	EndedAt time.Time `json:"ended_at"`
	Cause   string    `json:"cause"`
}

// answered turns what the API said of an action into a *Refusal, or nil. It is
// recorded where it has a place in the record: something in between may say 200, too.
func (g *Guard) answered(ctx context.Context, a action, said item) error {
	switch said.Status {
	case http.StatusCreated, http.StatusOK:
		if said.Seq > 0 {
			return nil
		}
	case http.StatusConflict:
		how := ending(said.EndedAt, said.Cause, g.clock.read())
		g.ledger.end(a.SID, how)
		return how.refusal()
	}
	g.log.ErrorContext(ctx, "guard: an action was not recorded", "action", a.Action, "sid", a.SID, "outcome", a.Outcome,
		"status", said.Status, "detail", escaped(said.Detail))
	if said.Status == http.StatusForbidden {
		return errRefusedThen
	}
	return errNoRecord
}

// tell reports a refused attempt, soon. None is lost without a word.
func (g *Guard) tell(ctx context.Context, a action) {
	if !g.actions.offer(a) {
		g.log.ErrorContext(ctx, "guard: a refused attempt is not in the record: too much waits to be recorded", "action", a.Action, "sid", a.SID, "scope", a.Scope)
	}
}
