package store

import (
	"database/sql"
	"testing"
)

// eraseColumns is what the erasure of an account or person does with each column
// of the schema: "erased", or why it stays. A new column is judged here first.
var eraseColumns = map[string]string{
	"accounts.id": "the product's", "accounts.connector": "no person", "accounts.name": "erased", "accounts.handle": "erased",
	"accounts.handle_key": "erased", "accounts.salt": "random", "accounts.seq": "chain", "accounts.hash": "chain", "accounts.at": "chain",
	"accounts.touched": "time",

	"agents.id": "pseudonym", "agents.issuer": "erased", "agents.subject": "erased", "agents.name": "erased", "agents.email": "erased",
	"agents.seen_at": "time", "agents.suspended_at": "outlives erasing",

	"credentials.id": "random", "credentials.account": "the product's", "credentials.policy": "no person", "credentials.kind": "no person",
	"credentials.digits": "no person", "credentials.holder": "no person", "credentials.state": "no person", "credentials.scopes": "no person",
	"credentials.ticket": "erased", "credentials.contact": "erased", "credentials.contact_key": "erased", "credentials.minter_issuer": "erased",
	"credentials.minter_subject": "erased", "credentials.minter_name": "erased", "credentials.minter_email": "erased", "credentials.email": "erased",
	"credentials.made_at": "time", "credentials.redeem_by": "time", "credentials.session": "no person", "credentials.idle": "no person",
	"credentials.uses": "no person", "credentials.uses_left": "no person", "credentials.tries": "no person", "credentials.reserved": "no person",
	"credentials.wrong": "no person", "credentials.ticket_misses": "no person", "credentials.verifier": "gone with the credential",

	"sessions.sid": "random", "sessions.attempt": "pseudonym", "sessions.account": "the product's", "sessions.account_name": "erased",
	"sessions.handle": "erased", "sessions.credential": "random", "sessions.kind": "no person", "sessions.policy": "no person",
	"sessions.agent": "pseudonym", "sessions.agent_issuer": "erased", "sessions.agent_sub": "erased", "sessions.agent_name": "erased",
	"sessions.agent_email": "erased", "sessions.connector": "no person", "sessions.scopes": "no person", "sessions.ticket": "erased",
	"sessions.reason": "erased", "sessions.contact": "erased", "sessions.email": "erased", "sessions.owner_sub": "erased",
	"sessions.opened_at": "time", "sessions.ends_at": "time", "sessions.idle": "no person", "sessions.active_at": "time", "sessions.due_at": "time",
	"sessions.auth_time": "time", "sessions.amr": "no person", "sessions.ended_at": "time", "sessions.cause": "no person",

	"tries.id": "random", "tries.agent": "pseudonym", "tries.account": "the product's", "tries.weak": "no person", "tries.at": "time",
	"tries.state": "no person", "tries.compared": "no person", "tries.forgiven": "no person", "tries.pins": "random", "tries.sid": "random",
	"tries.verified": "random", "tries.verified_at": "time", "tries.reason": "erased",

	"actions.audience": "no person", "actions.id": "the app's", "actions.chain": "the product's", "actions.digest": "erased",
	"actions.seq": "chain", "actions.refused": "no person",

	"idempotency.client": "no person", "idempotency.request_key": "the client's", "idempotency.digest": "erased",
	"idempotency.credential": "random", "idempotency.at": "time",

	"record.chain": "chain", "record.seq": "chain", "record.at": "chain", "record.kind": "chain", "record.facts": "pseudonyms",
	"record.digests": "salted", "record.prev": "chain", "record.hash": "chain",
	"record_people.chain": "erased", "record_people.seq": "erased", "record_people.person": "erased", "record_people.salt": "erased",
	"record_people.fields": "erased",
	"otp_used.person":      "erased", "otp_used.step": "erased",

	"grants.id": "random", "grants.sid": "random", "grants.client": "no person", "grants.audience": "no person", "grants.scope": "no person",
	"grants.at": "time", "refresh_tokens.hash": "random", "refresh_tokens.parent": "random", "refresh_tokens.sid": "random",
	"refresh_tokens.account": "the product's", "refresh_tokens.client": "no person", "refresh_tokens.audience": "no person",
	"refresh_tokens.scope": "no person", "refresh_tokens.made_at": "time", "refresh_tokens.replaced_at": "time", "refresh_tokens.spent": "no person",
	"refresh_tokens.jkt": "an app's key", "used_once.digest": "random", "used_once.until": "time",
	"endings.epoch": "random", "endings.n": "no person", "endings.sid": "random", "endings.credential": "random", "endings.cause": "no person",
	"endings.ended_at": "time", "endings_counter.one": "no person", "endings_counter.epoch": "random", "endings_counter.n": "no person",
	"endings.account": "the product's", "endings.audiences": "no person", "endings.needed_until": "time", "endings.status_index": "random",
	"endings_counter.access": "no person", "sessions.status_index": "random",
	"receipts.sid": "random", "receipts.client": "no person", "receipts.audience": "no person", "receipts.account": "the product's",
	"receipts.epoch": "random", "receipts.n": "no person", "receipts.enforces": "no person", "receipts.state": "no person",
	"receipts.ended_at": "time", "receipts.tokens_until": "time", "receipts.session_ends": "time", "receipts.applied_at": "time",
	"receipts.instances": "no person", "receipts.logout_next": "time", "receipts.logout_tries": "no person",
	"instances.client": "no person", "instances.instance": "random", "instances.audience": "no person", "instances.node": "random",
	"instances.connected": "no person", "instances.staleness": "no person", "instances.seen_at": "time", "instances.epoch": "random",
	"instances.n": "no person", "instances.acked_at": "time",
	"nodes.node": "random", "nodes.seen_at": "time",
	"installation.one": "no person", "installation.id": "random", "installation.check_value": "no person", "installation.made_at": "time",
	"installation.clock_mark": "time", "installation.recovering": "no person",
	"ssf_streams.id": "random", "ssf_streams.client": "no person", "ssf_streams.method": "no person", "ssf_streams.endpoint": "no person",
	"ssf_streams.header": "sealed", "ssf_streams.requested": "no person", "ssf_streams.description": "the client's", "ssf_streams.status": "no person",
	"ssf_streams.reason": "the client's", "ssf_streams.epoch": "random", "ssf_streams.n": "no person", "ssf_streams.made_at": "time",
	"ssf_streams.verified_at": "time", "ssf_streams.tries": "no person", "ssf_streams.next_at": "time", "ssf_streams.held_until": "time",
	"ssf_events.stream": "random", "ssf_events.jti": "random", "ssf_events.kind": "no person", "ssf_events.txn": "no person",
	"ssf_events.sid": "random", "ssf_events.what": "no person", "ssf_events.text": "the client's", "ssf_events.ended_at": "time",
	"ssf_events.made_at": "time", "ssf_events.n": "no person",
	"wrong_hours.hour": "time", "wrong_hours.n": "no person", "wrong_hours.weak": "no person",
	"signing_keys.id": "random", "signing_keys.purpose": "no person", "signing_keys.alg": "no person", "signing_keys.generation": "no person",
	"signing_keys.sealed": "random", "signing_keys.made_at": "time",
	"signing_keys.state": "no person", "signing_keys.since": "time", "signing_keys.due": "time", "installation.keys_version": "no person",
}

// rows calls f with every row of every table, as text by column.
func (w *world) rows(f func(table string, row map[string]string)) {
	w.t.Helper()
	list := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'`
	if !w.engine.file {
		list = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name NOT LIKE 'goose_%'`
	}
	var tables []string
	if err := w.query(w.t.Context(), list, nil, func(r row) error {
		var name string
		err := r.Scan(&name)
		tables = append(tables, name)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	for _, table := range tables {
		w.rowsOf(table, f)
	}
}

func (w *world) rowsOf(table string, f func(table string, row map[string]string)) {
	w.t.Helper()
	found, err := w.engine.read.QueryContext(w.t.Context(), `SELECT * FROM `+table)
	if err != nil {
		w.t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	f(table, columnsOnly(columns))
	for found.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(sql.NullString)
		}
		if err := found.Scan(values...); err != nil {
			w.t.Fatal(err)
		}
		row := map[string]string{}
		for i, name := range columns {
			row[name] = values[i].(*sql.NullString).String
		}
		f(table, row)
	}
	if err := found.Err(); err != nil {
		w.t.Fatal(err)
	}
}

func columnsOnly(columns []string) map[string]string {
	out := map[string]string{}
	for _, name := range columns {
		out[name] = ""
	}
	return out
}

// TestEveryColumnIsJudged: whoever adds a column says what an erasure does with it.
func TestEveryColumnIsJudged(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		there := map[string]bool{}
		w.rows(func(table string, row map[string]string) {
			for column := range row {
				there[table+"."+column] = true
			}
		})
		for column := range there {
			if eraseColumns[column] == "" {
				t.Errorf("nobody has said what an erasure does with %s", column)
			}
		}
		for column := range eraseColumns {
			if !there[column] {
				t.Errorf("there is no column %s", column)
			}
		}
	})
}
