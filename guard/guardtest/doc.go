// Package guardtest is a broker for the tests of an app that uses
// [github.com/valetkey/valetkey/guard]. It runs in the test's process, speaks the
// protocol of the real one, and does at once what a test asks for: mint a token,
// end a session, fall silent, be unreachable, change its keys, lose its log.
//
//	broker := guardtest.New(t)
//	g, err := guard.New(t.Context(), broker.Config())
//	app := httptest.NewServer(newApp(g))
//	token := broker.Mint(guardtest.Session{Account: "acme", Scopes: []string{"documents.read"}})
//	…                       // requests with "Authorization: Bearer " + token
//	broker.End(sid, "revoked")
//	broker.Actions()        // what the customer's record would have
//
// With [InMemory] nothing goes over the network, so that a test can run in a
// bubble of testing/synctest and time is its own.
//
// It has no people, no credentials and no sign-in page: a session exists because a
// test says so, and [Broker.Enter] says in which one whoever an app sends to it comes
// back. It imports nothing of the server.
package guardtest
