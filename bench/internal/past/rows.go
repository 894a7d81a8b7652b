package past

// The rows of a past. a is an account, m which of its credentials or entries it
// is; the words in capitals are replaced (see steps). past_id is a name as random
// as the program's, past_hash 32 bytes.
const (
	accounts = `INSERT INTO accounts (id, connector, name, handle, handle_key, salt, seq, hash, at, touched)
SELECT a.id, 'customers', a.id, a.id, a.id, past_hash('salt' || a.id), ENTRIES, past_hash('head' || a.id), BEGAN + LASTED - 1000000, 0
FROM past_accounts a`

	agents = `INSERT INTO agents (id, issuer, subject, name, email, seen_at, suspended_at)
SELECT 'agent' || n.i, 'https://sso.bench.example', 'agent' || n.i, 'Agent ' || n.i, '', BEGAN, 0 FROM past_numbers n WHERE n.i < 1000`

	credentials = `INSERT INTO credentials (id, account, policy, kind, digits, holder, state, scopes, ticket, contact, contact_key,
minter_issuer, minter_subject, minter_name, minter_email, email, made_at, redeem_by, session, idle, uses, uses_left, tries, reserved, wrong, ticket_misses, verifier)
SELECT past_id('c' || a.id || '/' || m.i), a.id, CASE m.i % 2 WHEN 0 THEN 'pin' ELSE 'holder' END, CASE m.i % 2 WHEN 0 THEN 'pin' ELSE 'password' END,
CASE m.i % 2 WHEN 0 THEN 6 ELSE 0 END, m.i % 2, CASE m.i % 4 WHEN 0 THEN 'used' WHEN 1 THEN 'revoked' WHEN 2 THEN 'replaced' ELSE 'expired' END,
'documents.read', '', '', '', 'customers', 'o-' || a.id, 'Olivia', 'o@bench.example',
CASE m.i % 2 WHEN 0 THEN NULL ELSE 'guest-' || past_id('c' || a.id || '/' || m.i) || '@support.bench.example' END,
AT + 0, AT + 900000000, 1800000000, 600000000, 1, 0, 5, 0, 0, 0, NULL
FROM past_accounts a OFCREDENTIALS`

	sessions = `INSERT INTO sessions (sid, attempt, account, account_name, handle, credential, kind, policy, agent, agent_issuer, agent_sub, agent_name, agent_email,
connector, scopes, ticket, reason, contact, email, owner_sub, opened_at, ends_at, idle, active_at, due_at, auth_time, amr, ended_at, cause, status_index)
SELECT past_id('s' || a.id || '/' || m.i), 'password//' || past_id('c' || a.id || '/' || m.i) || '/' || past_id('t' || a.id || '/' || m.i), a.id, a.id, a.id, past_id('c' || a.id || '/' || m.i),
CASE m.i % 2 WHEN 0 THEN 'pin' ELSE 'password' END, CASE m.i % 2 WHEN 0 THEN 'pin' ELSE 'holder' END,
CASE m.i % 2 WHEN 0 THEN 'agent' || ((a.i + m.i) % 1000) ELSE '' END, CASE m.i % 2 WHEN 0 THEN 'https://sso.bench.example' ELSE '' END,
CASE m.i % 2 WHEN 0 THEN 'agent' || ((a.i + m.i) % 1000) ELSE '' END, '', '', '', 'documents.read', '', 'bench', '', '', 'o-' || a.id,
AT + 60000000, AT + 1860000000, 600000000, AT + 90000000, AT + 120000000, AT + 60000000, 'pwd', AT + 120000000, 'revoked', NULL
FROM past_accounts a OFCREDENTIALS`

	liveCredentials = `INSERT INTO credentials (id, account, policy, kind, digits, holder, state, scopes, ticket, contact, contact_key,
minter_issuer, minter_subject, minter_name, minter_email, email, made_at, redeem_by, session, idle, uses, uses_left, tries, reserved, wrong, ticket_misses, verifier)
SELECT past_id('l' || a.id), a.id, 'holder', 'password', 0, 1, 'live', 'documents.read', '', '', '', 'customers', 'o-' || a.id, 'Olivia', 'o@bench.example',
'guest-' || past_id('l' || a.id) || '@support.bench.example', $1, $1 + 86400000000, 28800000000, 1800000000, 0, 0, 0, 0, 0, 0, a.hash FROM past_accounts a WHERE a.i < LIVING`

	liveSessions = `INSERT INTO sessions (sid, attempt, account, account_name, handle, credential, kind, policy, agent, agent_issuer, agent_sub, agent_name, agent_email,
connector, scopes, ticket, reason, contact, email, owner_sub, opened_at, ends_at, idle, active_at, due_at, auth_time, amr, ended_at, cause, status_index)
SELECT past_id('k' || a.id), 'password//' || past_id('l' || a.id) || '/', a.id, a.id, a.id, past_id('l' || a.id), 'password', 'holder', '', '', '', '', '', '', 'documents.read', '', 'bench', '',
'guest-' || past_id('l' || a.id) || '@support.bench.example', 'o-' || a.id, $1, $1 + 28800000000, 1800000000, $1, $1 + 1800000000, $1, 'pwd', 0, '', a.i FROM past_accounts a WHERE a.i < LIVING`

	receipts = `INSERT INTO receipts (sid, client, audience, account, epoch, n, enforces, state, ended_at, tokens_until, session_ends, applied_at, instances, logout_next, logout_tries)
SELECT past_id('s' || a.id || '/' || m.i), 'docs', 'https://docs.bench.example/api', a.id, 'past', a.i, 'guard', 'applied', AT + 120000000, AT + 420000000, AT + 1860000000, AT + 120010000, 1, 0, 0
FROM past_accounts a OFCREDENTIALS`

	grants = `INSERT INTO grants (id, sid, client, audience, scope, at)
SELECT past_id('g' || a.id || '/' || m.i), past_id('s' || a.id || '/' || m.i), 'docs', 'https://docs.bench.example/api', 'openid documents.read', AT + 61000000
FROM past_accounts a OFCREDENTIALS AND AT + 0 > $1 - KEPT`

	refreshTokens = `INSERT INTO refresh_tokens (hash, parent, sid, account, client, audience, scope, jkt, made_at, replaced_at, spent)
SELECT past_hash('r' || a.id || '/' || m.i), NULL, past_id('s' || a.id || '/' || m.i), a.id, 'docs', 'https://docs.bench.example/api', 'openid documents.read', '', AT + 61000000, 0, 0
FROM past_accounts a OFCREDENTIALS AND AT + 0 > $1 - KEPT`

	record = `INSERT INTO record (chain, seq, at, kind, facts, digests, prev, hash)
SELECT a.id, m.i + 1, BEGAN + m.i, CASE m.i % EACH WHEN 0 THEN 'credential.minted' WHEN 1 THEN 'session.opened' ELSE 'token.issued' END,
'{"audience":"https://docs.bench.example/api","client":"docs","grant":"authorization_code","jti":"' || past_id('j' || a.i || '/' || m.i) || '","scope":"openid documents.read"}',
CASE WHEN m.i % EACH < 2 THEN '{"owner":"' || past_id('d' || a.i) || '="}' ELSE '{}' END, a.hash, a.hash
FROM past_accounts a OFENTRIES`

	people = `INSERT INTO record_people (chain, seq, person, salt, fields)
SELECT a.id, m.i + 1, past_id('p' || a.i), a.hash, '{"owner":"Olivia","owner_email":"o@bench.example","owner_sub":"o"}'
FROM past_accounts a OFENTRIES AND m.i % EACH < 2`
)

// at spreads an account's credentials over the time that there was, until an
// hour ago.
const at = `(BEGAN + (m.i * 1000003 + a.i) % 100000 * (LASTED / 100000) - 3600000000)`
