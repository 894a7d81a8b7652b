package owner

import (
	"cmp"
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/templates"
)

// How long, and how many, visits that have ended are shown with what the apps
// make of it.
const (
	overFor = 10 * time.Minute
	maxOver = 3
)

// over is what has ended a short while ago.
func (h *Handler) over(ctx context.Context, p person) ([]templates.Over, error) {
	ended, err := h.Reader.Over(ctx, p.Account.ID, h.Now().Add(-overFor), maxOver)
	if err != nil || len(ended) == 0 {
		return nil, err
	}
	sids := make([]string, 0, len(ended))
	for _, s := range ended {
		sids = append(sids, s.ID)
	}
	receipts, err := h.Reader.Receipts(ctx, p.Account.ID, sids)
	if err != nil {
		return nil, err
	}
	out := make([]templates.Over, 0, len(ended))
	for _, s := range ended {
		o := templates.Over{EndedAt: s.EndedAt}
		if s.Agent != nil {
			o.Agent = cmp.Or(s.Agent.Name, somebody)
		}
		for _, r := range receipts[s.ID] {
			o.Apps = append(o.Apps, h.appOver(r))
		}
		out = append(out, o)
	}
	return out, nil
}

func (h *Handler) appOver(r credentials.Receipt) templates.AppOver {
	return templates.AppOver{Name: h.app(r.Client), Refuses: !r.AppliedAt.IsZero(), After: r.After(),
		Asks: r.Enforces == credentials.ByIntrospection, By: r.RefusesBy()}
}
