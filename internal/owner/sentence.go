package owner

import (
	"cmp"
	"slices"
	"strings"

	"github.com/valetkey/valetkey/audit"
	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/templates"
)

// entry is an entry of the record with its personal fields at hand.
type entry struct {
	audit.Entry
	personal map[string]string
	agent    string // who acted in support mode
}

// What stands where a name or another text was erased, or never known.
const (
	somebody   = "Somebody"
	erasedName = "Somebody (erased)"
	erasedText = "[erased]"
)

// open puts the personal fields of an entry side by side. agents names those of
// sessions, for entries that do not name them.
func open(e audit.Entry, agents map[string]string) entry {
	x := entry{Entry: e, personal: map[string]string{}}
	for name := range e.Digests {
		x.personal[name] = erasedText
		if slices.Contains([]string{"agent", "owner", "name"}, name) {
			x.personal[name] = erasedName
		}
	}
	for _, person := range e.About {
		for name, value := range person.Fields {
			x.personal[name] = value
		}
	}
	x.agent = cmp.Or(x.personal["agent"], agents[e.Facts["sid"]], somebody)
	return x
}

// sentence tells an entry as the owner reads it; false for what would tell them
// nothing, such as the renewal of a token.
func (h *Handler) sentence(p person, x entry) (templates.Event, bool) {
	out := templates.Event{At: x.At, Who: x.agent}
	policy := h.Minter.PolicyName(x.Facts["policy"])
	switch x.Kind {
	case credentials.RecordMinted:
		out.Who, out.Text = h.minter(p, x), "made a "+policy+ifAny(", ticket ", x.personal["ticket"])
		if x.Facts["replaced"] != "" {
			out.Text += "; the one before stopped working"
		}
	case credentials.RecordRevoked:
		out.Who, out.Text = did(h.by(p, x), "took back the "+policy, "The "+policy+" was taken back")
	case credentials.RecordRefusedTry:
		out.Refused, out.Text = true, refusedTry(x.Facts)+burned(x.Facts)
	case credentials.RecordLapsedTry:
		out.Who, out.Refused, out.Text = "", true, "A try was broken off; it counts as a wrong one"+burned(x.Facts)
	case credentials.RecordVerified:
		out.Text = "checked who is calling" + ifAny(" in ", h.app(x.Facts["client"])) + ", with your " + policy + ifAny(": ", x.personal["reason"])
	case credentials.RecordOpened:
		out.Text = "entered with your " + policy + ifAny(": ", x.personal["reason"])
	case credentials.RecordToken:
		out.Text = "signed in to " + h.app(x.Facts["client"])
		return out, x.Facts["grant"] != "refresh_token" && x.Facts["through"] == ""
	case credentials.RecordAction, credentials.RecordRefusedAction:
		out.Refused = x.Kind == credentials.RecordRefusedAction
		out.Text = "in " + h.app(x.Facts["client"]) + ": " + deed(x)
	case credentials.RecordEnded:
		return h.ended(p, x, out), true
	case credentials.RecordReceipt:
		out.Who, out.Text = h.app(x.Facts["client"]), "refused the access of "+x.agent+" after "+x.Facts["after_ms"]+" ms"
	case credentials.RecordAccountErased:
		out.Who, out.Text = "", "Names and other personal data before this were erased"
	default:
		return out, false
	}
	return out, true
}

func ifAny(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// did is a deed with its doer, or what happened where nobody did it.
func did(who, deed, itself string) (string, string) {
	if who == "" {
		return "", itself
	}
	return who, deed
}

// deed is an action in the app's own words, and what it was about.
func deed(x entry) string {
	if about := x.personal["target"]; about != "" {
		return x.Facts["action"] + " “" + about + "”"
	}
	return x.Facts["action"]
}

// minter is who made a credential: a person of the account, through this page
// or through an app.
func (h *Handler) minter(p person, x entry) string {
	key := ""
	for _, person := range x.About {
		key = person.ID
	}
	who := h.you(p, key, x.personal["owner"])
	if x.Facts["by"] == "client" {
		who += ", in " + h.app(x.Facts["client"]) + ","
	}
	return who
}

// by is who ended something; empty where it ended by itself.
func (h *Handler) by(p person, x entry) string {
	switch x.Facts["by"] {
	case "owner":
		return h.you(p, x.Facts["id"], x.personal["name"])
	case "client":
		return h.app(x.Facts["id"])
	case "operator":
		return "The operator"
	case "broker":
		return ""
	}
	return x.agent
}

// ended tells why a session ended, and by whom.
func (h *Handler) ended(p person, x entry, out templates.Event) templates.Event {
	access := x.agent + "’s access"
	switch credentials.Cause(x.Facts["cause"]) {
	case credentials.CauseSignedOut:
		out.Text = "signed out"
	case credentials.CauseCancelled:
		out.Text = "left without entering"
	case credentials.CauseIdle:
		out.Who, out.Text = "", access+" ended by itself: nothing was done for a while"
	case credentials.CauseTime:
		out.Who, out.Text = "", access+" ended by itself: its time was over"
	case credentials.CauseReuse:
		out.Who, out.Refused, out.Text = "", true, access+" was ended: a code that is good once came a second time"
	default:
		out.Who, out.Text = did(h.by(p, x), "ended the access of "+x.agent, access+" was ended")
	}
	return out
}

// dead says why a credential opened nothing, by its state.
var dead = map[credentials.State]string{
	credentials.Used:     "was used before",
	credentials.Expired:  "has expired",
	credentials.Replaced: "was replaced",
	credentials.Revoked:  "was taken back",
	credentials.Burned:   "is dead after too many wrong tries",
}

// refusedTry tells why somebody was not let in.
func refusedTry(facts map[string]string) string {
	what := "PIN"
	if facts["with"] == string(credentials.Password) {
		what = "temporary login"
	}
	why := facts["why"]
	switch state := dead[credentials.State(why)]; {
	case state != "":
		return "tried a " + what + " that " + state
	case why == credentials.WhyLimit, why == credentials.WhyPaused:
		return "was not let in: too many wrong tries"
	case why == credentials.WhySuspended:
		return "was not let in: their support sign-in is suspended"
	case why == credentials.WhyTicket:
		return "had the right " + what + " but did not name your ticket"
	case why == credentials.WhyNoMatch:
		return "tried a wrong " + what
	}
	return "was not let in"
}

// burned says that a try was the last one.
func burned(facts map[string]string) string {
	if len(strings.Fields(facts["burned"])) == 0 {
		return ""
	}
	return "; that was the last try, and the PIN is dead"
}
