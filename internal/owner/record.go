package owner

import (
	"context"
	"net/http"
	"strconv"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/web"
	"github.com/valetkey/valetkey/templates"
)

// timeline is a part of the record in sentences.
type timeline struct {
	list []templates.Event
	last map[string]templates.Event // by session: the newest action
	from int64                      // the oldest entry that was read
}

// older is where the entries before these are.
func (t timeline) older() string {
	if t.from <= 1 {
		return ""
	}
	return templates.OwnerPath + "/record?before=" + strconv.FormatInt(t.from, 10)
}

// maxSilent bounds how many parts of the record are read of which there is
// nothing to tell.
const maxSilent = 20

// events reads the newest entries before one, or of all. It reads on where
// there is nothing to tell of a whole part: an agent who works for hours leaves
// many renewals of tokens, and a page without a word would look like an account
// in which nothing happened.
func (h *Handler) events(ctx context.Context, p person, before int64) (timeline, error) {
	out := timeline{last: map[string]templates.Event{}, from: before}
	for range maxSilent {
		entries, err := h.Reader.Record(ctx, p.Account.ID, credentials.RecordPage{Before: out.from, Limit: maxEvents})
		if err != nil || len(entries) == 0 {
			return out, err
		}
		agents, err := h.Reader.Names(ctx, p.Account.ID, sessionsIn(entries))
		if err != nil {
			return out, err
		}
		for _, e := range entries {
			out.add(h, p, open(e, agents))
		}
		if len(out.list) > 0 {
			break
		}
	}
	return out, nil
}

func sessionsIn(entries []audit.Entry) (sids []string) {
	for _, e := range entries {
		if sid := e.Facts["sid"]; sid != "" {
			sids = append(sids, sid)
		}
	}
	return sids
}

// add takes the next older entry.
func (t *timeline) add(h *Handler, p person, x entry) {
	t.from = x.Seq
	event, is := h.sentence(p, x)
	if !is {
		return
	}
	t.list = append(t.list, event)
	if _, newer := t.last[x.Facts["sid"]]; !newer && (x.Kind == credentials.RecordAction || x.Kind == credentials.RecordRefusedAction) {
		event.Text = deed(x)
		t.last[x.Facts["sid"]] = event
	}
}

// export sends the whole record, oldest first.
func (h *Handler) export(w http.ResponseWriter, r *http.Request, p person) {
	read := func(after audit.Entry) ([]audit.Entry, error) {
		return h.Reader.Record(r.Context(), p.Account.ID, credentials.RecordPage{After: after.Seq, Forward: true, Limit: web.ExportBatch})
	}
	first, err := read(audit.Entry{})
	if err != nil {
		h.unavailable(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Content-Disposition", `attachment; filename="support-access-record.jsonl"`)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	web.Export(w, first, func(last audit.Entry) ([]audit.Entry, error) {
		batch, err := read(last)
		if err != nil {
			h.failed(r.Context(), r.URL.Path, err)
		}
		return batch, err
	})
}
