package api

import (
	"context"
	"time"

	"github.com/valetkey/valetkey/credentials"
)

// position is where a page ended. Clients get it sealed, bound to the list,
// the account and the owner connector: it says nothing to them, and cannot be
// made up or carried to another list.
type position struct {
	At  int64  `json:"t,omitempty"` // UTC microseconds
	ID  string `json:"i,omitempty"`
	Seq int64  `json:"s,omitempty"`
}

func (h *Handler) seal(ctx context.Context, list, account string, p position) string {
	return h.Cursors.SealJSON(p, boundTo(ctx, list, account))
}

// open reads a cursor; the zero position where there is none.
func (h *Handler) open(ctx context.Context, list, account, cursor string) (position, error) {
	var p position
	if cursor == "" {
		return p, nil
	}
	if err := h.Cursors.OpenJSON(cursor, boundTo(ctx, list, account), &p); err != nil {
		return p, invalid("query.cursor", "expected next of a page of this same list")
	}
	return p, nil
}

func boundTo(ctx context.Context, list, account string) string {
	return "api/" + list + "\x00" + callerOf(ctx).Owners + "\x00" + account
}

// page reads what all lists by time have in common. It asks for one row more
// than a page has, which tells whether there is a next one.
func (h *Handler) page(ctx context.Context, list string, in *listInput) (credentials.Account, credentials.Page, error) {
	account, err := h.account(ctx, in.Account)
	if err != nil {
		return account, credentials.Page{}, err
	}
	p, err := h.open(ctx, list, account.ID, in.Cursor)
	page := credentials.Page{ID: p.ID, Limit: in.Limit + 1}
	if p.ID != "" {
		page.At = time.UnixMicro(p.At).UTC()
	}
	return account, page, err
}

// cut keeps a page's rows and makes the cursor of the next from the last one.
func cut[T any](rows []T, limit int, cursor func(T) string) ([]T, string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], cursor(rows[limit-1])
}
