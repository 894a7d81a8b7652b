// Command endings measures the promise of the product: how long after the
// owner's request every relying app refuses.
//
//	go run ./bench/endings                          the whole table
//	go run ./bench/endings -db postgres -nodes 3 -rates 100 -guards 1000
//
// It starts the real broker, signs sessions in by the real protocol, and connects
// so many guards, evenly over the nodes, each an instance of the app of its own.
// Each is asked with each token, and lets it in. Then an owner takes credentials
// back over the API. For each guard and ending the clock runs from just before the
// owner's request is written until that guard refuses: when Session.Done() is
// closed there, looked at whenever the guard reads its clock, which it does after
// it has applied an ending. So nobody has to be woken for it, and what is noted is
// never too early. When all have been ended a real request with the real token is
// sent through each guard's handler, and has to be refused because the session has
// ended. With -ask a goroutine for each guard waits for Done, and the clock runs
// until that request of its has been refused: the thousand of them take their share
// of the processors then.
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
