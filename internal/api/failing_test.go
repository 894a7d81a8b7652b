package api_test

import (
	"context"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

// failing is a store of which verbs fail in ways that a test chooses, before
// they do anything.
type failing struct {
	*store.Store
	how map[string]error
}

func (f *failing) Salt(ctx context.Context, account string) ([]byte, error) {
	if err := f.how["Salt"]; err != nil {
		return nil, err
	}
	return f.Store.Salt(ctx, account)
}

func (f *failing) Mint(ctx context.Context, m credentials.Minting) (credentials.Credential, bool, error) {
	if err := f.how["Mint"]; err != nil {
		return credentials.Credential{}, false, err
	}
	return f.Store.Mint(ctx, m)
}

func (f *failing) Revoke(ctx context.Context, account, id string, by credentials.Mark) error {
	if err := f.how["Revoke"]; err != nil {
		return err
	}
	return f.Store.Revoke(ctx, account, id, by)
}

func (f *failing) Session(ctx context.Context, sid string) (credentials.Session, error) {
	if err := f.how["Session"]; err != nil {
		return credentials.Session{}, err
	}
	return f.Store.Session(ctx, sid)
}

func (f *failing) End(ctx context.Context, account, sid string, cause credentials.Cause, by credentials.Mark) (credentials.Session, error) {
	if err := f.how["End"]; err != nil {
		return credentials.Session{}, err
	}
	return f.Store.End(ctx, account, sid, cause, by)
}

func (f *failing) Act(ctx context.Context, a credentials.Action) (credentials.Acted, error) {
	if err := f.how["Act"]; err != nil {
		return credentials.Acted{}, err
	}
	return f.Store.Act(ctx, a)
}

func (f *failing) Account(ctx context.Context, id string) (credentials.Account, error) {
	if err := f.how["Account"]; err != nil {
		return credentials.Account{}, err
	}
	return f.Store.Account(ctx, id)
}

func (f *failing) Credential(ctx context.Context, account, id string) (credentials.Credential, error) {
	if err := f.how["Credential"]; err != nil {
		return credentials.Credential{}, err
	}
	return f.Store.Credential(ctx, account, id)
}

func (f *failing) Credentials(ctx context.Context, account string, p credentials.Page) ([]credentials.Credential, error) {
	if err := f.how["Credentials"]; err != nil {
		return nil, err
	}
	return f.Store.Credentials(ctx, account, p)
}

func (f *failing) Sessions(ctx context.Context, account string, p credentials.Page) ([]credentials.Session, error) {
	if err := f.how["Sessions"]; err != nil {
		return nil, err
	}
	return f.Store.Sessions(ctx, account, p)
}

func (f *failing) Record(ctx context.Context, chain string, p credentials.RecordPage) ([]audit.Entry, error) {
	if err := f.how["Record"]; err != nil {
		return nil, err
	}
	return f.Store.Record(ctx, chain, p)
}
