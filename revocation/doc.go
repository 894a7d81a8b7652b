// Package revocation tells everybody that a session has ended: it owns the way
// from the numbered log of endings to every relying app, and the apps' word
// that they refuse.
//
//		store ──Endings──▶ Log ──▶ Feed ──stream──▶ guard
//		  ▲                                           │
//		  └──instances, receipts── Receipts ◀───ack───┘
//
//	  - Log is this node's copy of the endings that a token could still need. It
//	    reads on when a commit here or a notice from another node wakes it, and
//	    every poll in any case, because a notice can be lost.
//	  - Feed is the stream of endings (Server-Sent Events). A stream is a place in
//	    the log and nothing else, so a slow reader costs no memory: it is dropped,
//	    and goes on from its place when it comes back.
//	  - Receipts gathers what apps acknowledge and writes it in few transactions.
//	  - StatusLists and SSF tell apps in other languages, by the Token Status List
//	    and by the Shared Signals Framework.
//	  - Logouts calls back the apps that want to be told by a logout token instead,
//	    or besides. It reads from the database whom, not from the log.
//
// A stream says how fresh it is: how long after it was accepted the last read of
// the log that confirmed it began. A node that cannot read the log says nothing,
// and the apps that listen to it know by themselves what to do.
//
// It may import credentials and internal/store and what these import, never
// provider, internal/connectors or anything that has pages.
package revocation
