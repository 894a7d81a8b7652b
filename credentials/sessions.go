package credentials

import (
	"context"
	"time"
)

// Sessions is a session's life after it was opened.
type Sessions struct {
	Store Store
	Now   func() time.Time
}

// Live returns the session if it lives now. Whoever looks first at a session
// whose time has come commits its end before answering; if that fails, so does
// the look. Errors: *EndedError, ErrNotFound; any other means "not known".
func (s *Sessions) Live(ctx context.Context, sid string) (Session, error) {
	if err := s.Store.Clock(); err != nil {
		return Session{}, err // whether it still lives is a question of time
	}
	found, err := s.Store.Session(ctx, sid)
	if err != nil {
		return Session{}, err
	}
	if cause, due := found.Due(s.Now()); due {
		if found, err = s.Store.End(ctx, found.Account.ID, sid, cause, Mark{Who: "broker"}); err != nil {
			return Session{}, err
		}
	}
	if found.Ended() {
		return found, &EndedError{At: found.EndedAt, Cause: found.Cause}
	}
	return found, nil
}

// JustOpened returns a session that was opened a moment ago, if that is known
// without a look: good enough to show, not to decide by.
func (s *Sessions) JustOpened(sid string) (Session, bool) {
	found, ok := s.Store.JustOpened(sid)
	_, due := found.Due(s.Now())
	return found, ok && !due && s.Store.Clock() == nil
}

// End ends the session. Ending one that has ended changes nothing.
func (s *Sessions) End(ctx context.Context, sid string, cause Cause, by Mark) error {
	found, err := s.Store.Session(ctx, sid)
	if err != nil {
		return err
	}
	return s.end(ctx, found, cause, by)
}

// EndIn ends a session of the account. One of another account is as unknown as one
// that does not exist.
func (s *Sessions) EndIn(ctx context.Context, account, sid string, cause Cause, by Mark) error {
	found, err := s.Store.Session(ctx, sid)
	if err == nil && found.Account.ID != account {
		err = ErrNotFound
	}
	if err != nil {
		return err
	}
	return s.end(ctx, found, cause, by)
}

func (s *Sessions) end(ctx context.Context, found Session, cause Cause, by Mark) error {
	if found.Ended() {
		return nil
	}
	_, err := s.Store.End(ctx, found.Account.ID, found.ID, cause, by)
	return err
}
