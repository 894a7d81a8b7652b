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
// been refused because the session has ended: a real request with a real token,
// once for each guard, made by a goroutine that waits for Done and nothing else.
// As soon as the owner has their answer to every second ending, introspection and
// userinfo are asked at every node: a token that is still accepted ends the
// command with an error, and so does a guard that does not refuse.
//
// Then the command opens idle streams, a thousand and five thousand, to a node of
// their own, and compares what that node says of its heap and stacks, and what the
// kernel says that it occupies, with before (-idle=false leaves it out, and -db
// none the rest).
//
// The guards and the generator share the machine's processors with the broker.
// What goes around among a thousand guards in one process is part of the figures.
package main
