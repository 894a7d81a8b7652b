// Command endings measures the promise of the product: how long after the
// owner's request every relying app refuses.
//
//	go run ./bench/endings                          the whole table
//	go run ./bench/endings -db postgres -nodes 3 -rates 100 -guards 1000
//
// It starts the real broker, signs sessions in by the real protocol, and connects
// so many guards, evenly over the nodes, each an instance of the app of its own.
// Then an owner takes credentials back over the API. For each guard and ending
// the clock runs from just before the owner's request is written until
// Session.Done() is closed there and the next request through its handler has
// been refused because the session has ended. As soon as the owner has their
// answer, introspection and userinfo are asked at every node: a token that is
// still accepted ends the command with an error, and so does a guard that does
// not refuse.
//
// The guards and the generator share the machine's processors with the broker.
// What goes around among a thousand guards in one process is part of the figures.
package main
