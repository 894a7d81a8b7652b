// Package guard is the SDK of apps that valetkey lends access to. It lets
// support sessions in beside the app's own login: narrowed to what the customer
// lent, written to the customer's record, and refused at once when they end.
//
// # Ten lines
//
//	g, err := guard.New(ctx, guard.Config{
//		Issuer: "https://access.northwind.example", Audience: "https://docs.northwind.example/api",
//		ClientID: "docs-api", ClientSecret: os.Getenv("DOCS_API_SECRET"),
//	})
//	defer g.Close()
//	tenant := func(r *http.Request) string { return r.PathValue("account") }
//	mux.Handle("GET /accounts/{account}/documents/{id}",
//		g.Require("documents.read", g.RequireAccount(tenant, showDocument), guard.Action("View document")))
//	handler := g.Wrap(mux, ownAuth)
//
// ownAuth is the middleware that the app has for its own people. The client needs
// audience, grants: [client_credentials], api: [endings.read, actions.write] and
// enforces: guard in the broker's configuration.
//
// # Who goes where
//
// [Guard.Wrap] looks at a token's iss, unverified, to choose who verifies it, and
// for nothing else. A request whose token says that it is of the broker goes
// through guard and never to ownAuth, whatever is wrong with it; every other one
// goes to ownAuth untouched. If the broker stops, only support stops.
//
// # What is open to support
//
// Nothing that does not say so. Wrap asks the router, before anything runs, which
// handler a request will be given to: only one that [Guard.Require] or
// [Guard.Open] made can be reached by a support session, and every other answers
// 403. Therefore Require stands outermost on its route; middleware goes around
// Wrap or inside Require. [http.ServeMux] is such a router, in others as well; for
// another one write the method of [Router].
//
// Require names a scope. [Guard.RequireAccount] names the account whose data the
// route shows: it must be the session's, and an empty one is refused. Both are for
// support sessions; a request of the app's own login passes them if Wrap handed it
// to ownAuth, and is refused if Wrap never saw it.
//
// A handler finds the session by [SessionFrom]. Look data up by
// [Session.Account], which comes from the token.
//
// # Refusals
//
// [Refusal] is what a caller is told: RFC 6750's WWW-Authenticate and a JSON body
// {"error", "code", "error_description"}. 401 means another token or none; 403,
// that this was not lent; 503 with Retry-After, that something cannot be known or
// recorded now, and nothing was done. Config.Refuse shows a page instead.
//
// # How it knows
//
// Tokens are verified offline, with the broker's published keys: type, algorithm
// (ES256 and no other), issuer, audience, time. exp has no leeway; iat may be 10 s
// ahead. A verified token is remembered, keyed by the whole of it, until it
// expires: a repeated one costs less than a microsecond.
//
// One connection follows the numbered log of endings. An ending makes every token
// of its session worthless, cancels the contexts of its running requests (their
// [context.Cause] is [ErrEnded]), closes [Session.Done], and is acknowledged to
// the broker, which shows the customer that this app has applied it.
//
// The connection also says how fresh that knowledge is, and guard measures its age
// by whichever of wall clock and monotonic clock says more: neither a clock set
// back nor a suspended machine makes it look fresher. When it is older than
// Config.MaxStaleness, guard asks the broker about each request (RFC 7662), and
// answers 503 if it cannot. So no request is let in that begins more than
// MaxStaleness after its session ended, whatever breaks. The same happens when the
// feed says something that this version does not understand.
//
// # Jobs and sockets
//
// What outlives a request watches [Session.Done], or asks [Guard.Live] before each
// step, in the process that let the request in. Done is also closed when it can no longer be known whether the session
// lives: its last token has expired while the feed is stale, or nothing was heard
// for longer than the feed repeats.
//
// # The record
//
// No record, no action: before a handler runs, the action is in the customer's
// record. [Action] gives its name, [Target] what it is done to. If it cannot be
// written the answer is 503: after 10 s under a broker that says nothing, or when the
// request's own context ends. Refused attempts are reported too, soon after.
// Config.Record = [Async] trades this for speed.
//
// # Bound tokens
//
// A token that names a key (cnf.jkt, RFC 9449) needs the DPoP scheme and a proof of
// that key for this very request. Config.BaseURL says what the app is called
// outside: guard takes that from no header.
//
// # Web apps
//
// [NewLogin] signs agents in to an app with pages, and keeps their session in a
// sealed cookie of its own beside the app's login; [Login.Wrap] then stands for
// [Guard.Wrap]. Apps of one host have cookies of different names. While a browser
// has its cookie its requests are the session's, whatever login it has besides;
// when the session has ended they are refused, and not tried with the app's own
// login. [Login.Banner], or a [Banner], says on each page whose account it is and
// who acts. Where the broker demands it, the login proves its client by a key,
// pushes its requests and holds bound tokens: see LoginConfig's Key, PAR and
// DPoP. [Guard.LogoutReceiver] takes back-channel logouts where no stream can be
// held.
//
// # Memory
//
// A session that has ended costs some 40 bytes, and is remembered for an hour and
// two minutes: nothing is issued after an ending, and what lives longer than an
// hour is not verified offline but asked about each time. Verified tokens, proofs,
// waiting reports and watched sessions are bounded; where a bound is met guard asks
// or refuses.
//
// # Tests
//
// Package guardtest is a broker for an app's own tests.
//
// The package uses go-jose and the standard library, and imports nothing of the
// broker.
package guard
