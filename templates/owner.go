package templates

import "time"

// Access is the owner's page: who is in the account, who could come in, what
// happened. Its forms post below OwnerPath; see each part for the names.
type Access struct {
	Account, Handle string // as people know the account
	Person          string // who is signed in here; may be empty
	Now             time.Time
	Notice          Notice    // what the last click did
	Unknown         bool      // Visits and Open could not be read: nothing here may say that nobody is in
	Visits          []Visit   // live sessions, newest first
	Over            []Over    // sessions that ended a short while ago, newest first
	Open            []Lent    // credentials that can still be used, newest first
	Minted          *Minted   // only in the reply to a mint
	Mint            *MintForm // nil: this person may make nothing
	Others          []string  // whole sentences: who can make what this person cannot
	Record          []Event   // newest first
	Older           string    // where the older entries are; empty: these are all
}

// Notice tells what a click did, or that it did nothing.
type Notice struct {
	Text string
	Bad  bool // it did not work: say so loudly
}

// Visit is one agent in the account now. "End this visit" posts sid to
// OwnerPath/end.
type Visit struct {
	SID     string
	Agent   string // empty: whoever holds the temporary login
	Proof   string // name of the sign-in that vouches for the agent
	With    string // name of the policy: "Support PIN"
	Email   string // the temporary address it was opened with
	Reason  string // reason or ticket the agent gave
	Apps    []string
	Can     []string // labels
	Since   time.Time
	EndsAt  time.Time
	Last    string    // what the agent did last, in words; may be empty
	LastAt  time.Time // when
	Refused bool      // the last action was refused
	Until   time.Time // they can sign in again until then; zero: they cannot
}

// Over is a visit that has ended, and what each app that it was in makes of it.
type Over struct {
	Agent   string // empty: whoever held the temporary login
	EndedAt time.Time
	Apps    []AppOver
}

// AppOver is how an app refuses a visit that has ended.
type AppOver struct {
	Name    string
	Refuses bool          // it has said so, After the end
	After   time.Duration // how long that took
	Asks    bool          // it asks at each step, so it refuses the next one
	By      time.Time     // otherwise: from when on it refuses, at the latest
}

// Lent is a credential that can still open a session. Cancelling it posts
// credential to OwnerPath/revoke.
type Lent struct {
	ID       string
	Name     string // of the policy
	PIN      bool   // or a temporary login
	Email    string // the temporary address
	Ticket   string
	Contact  string // the only person it is valid for
	By       string // who made it: "You", a name, or the app that did
	MadeAt   time.Time
	RedeemBy time.Time
	Wrong    int // wrong tries so far
	Tries    int
	Can      []string
}

// Minted is a credential with its secret, shown in one reply. Again says that
// this reply repeats an earlier one: there is no secret in it.
type Minted struct {
	Lent
	Secret  string        // PIN or temporary password, bare
	Handle  string        // said together with a PIN
	Session time.Duration // how long a session of it lasts at most
	OneUse  bool
	Again   bool
}

// MintForm posts form, policy, ticket, and for the policy P that was chosen
// within.P (one of its Within) and scope.P (any of its Scopes) to
// OwnerPath/credentials.
type MintForm struct {
	Form     string // one-time id, unseen
	Policies []Lending
	Policy   string // chosen at first; default: the first
	Ticket   string // typed before
	Problem  Problem
}

// Lending is one kind of credential that this person may make.
type Lending struct {
	ID, Name string
	PIN      bool
	Digits   int
	OneUse   bool
	Bound    bool // valid only for the person who makes it
	Holder   bool // whoever holds it gets in, without a company sign-in
	Session  time.Duration
	Within   []Choice // ID is the value to post, Name what it says: "4 hours"
	Chosen   string   // which of Within
	Scopes   []Pick
	Never    []string // labels of what cannot be lent
}

// Pick is something that may be lent.
type Pick struct {
	Name, Label string
	Checked     bool
}

// Event is one entry of the record, as a sentence.
type Event struct {
	At      time.Time
	Who     string // the agent, "You", a name; may be empty where Text says all
	Text    string
	Refused bool // an attempt that was blocked
}

// OwnerPath is where the owner's pages live.
const OwnerPath = "/support-access"
