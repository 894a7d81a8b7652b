package templates

import "io"

// Agent is who is signed in.
type Agent struct {
	Name      string // empty for somebody who only holds a temporary login
	Connector string // name of the sign-in they used
}

// Redeem is the page where an agent enters what the customer gave them: account
// and PIN, or a temporary email and password. Both forms post to /redeem with
// request and form; the first adds account, pin, reason, the second email,
// password, reason. The fields of the first can go to /verify instead. Secrets
// typed before never come back.
type Redeem struct {
	Request, Form  string // sealed request and one-time id of the form, unseen
	Client         string // name of the app the agent came from
	Agent          Agent
	Account, Email string // typed before
	Reason         string // typed before, in the form that Open names
	Open           string // "pin" or "password": the form in use; default "pin"
	Problem        Problem
}

// redeemView is Redeem as the page draws it.
type redeemView struct {
	Redeem
	PIN, Login form
	OpenLogin  bool
}

// Redeem writes the page with both forms. A block shuts the PIN form whatever
// Open says: wrong passwords cost no tries, so they are never what is used up.
func (s *Set) Redeem(w io.Writer, p Redeem) error {
	if p.Account+p.Email+p.Reason != "" || p.Problem.any() || !opaque(p.Request) || !opaque(p.Form) {
		return s.drawRedeem(w, p)
	}
	return s.sketches.write(w, []string{"redeem", s.signIn(), p.Client, p.Agent.Connector, p.Open}, []string{p.Request, p.Form, p.Agent.Name},
		func(w io.Writer, t []string) error {
			q := p
			q.Request, q.Form, q.Agent.Name = t[0], t[1], t[2]
			return s.drawRedeem(w, q)
		})
}

func (s *Set) drawRedeem(w io.Writer, p Redeem) error {
	v := redeemView{Redeem: p, OpenLogin: p.Open == "password" && !p.Problem.Blocked}
	login := LoginForm{Request: p.Request, Form: p.Form, Email: p.Email}
	pin := p
	if v.OpenLogin {
		login.Reason, login.Problem = p.Reason, p.Problem
		pin.Reason, pin.Problem = "", Problem{}
	}
	v.PIN, v.Login = pinForm(pin, s.signIn()), loginForm(login, s.signIn())
	if !p.Problem.any() {
		if v.OpenLogin {
			v.Login.focus(everything)
		} else {
			v.PIN.focus(everything)
		}
	}
	return s.render(w, "redeem", "Enter a customer’s account", p.Problem.any(), v)
}

func pinForm(p Redeem, signIn string) form {
	f := form{ID: "pin-form", Action: "/redeem", Button: "Continue", SignIn: signIn, Again: p.Request, ForCustomer: true,
		Other:  &other{"/verify", "Only check who is calling", "Uses the PIN up and opens nothing."},
		Hidden: []hidden{{"request", p.Request}, {"form", p.Form}},
		Fields: []field{
			{ID: "account", Name: "account", Label: "Customer account", Hint: "The customer reads it to you, with the PIN.",
				Value: p.Account, Complete: "off", Required: true},
			{ID: "pin", Name: "pin", Label: "Support PIN", Hint: "Spaces and hyphens do not matter.",
				Complete: "one-time-code", Mode: "numeric", Class: "digits", Required: true},
			{ID: "reason", Name: "reason", Label: "Reason or ticket", Hint: reasonHint, Value: p.Reason, Complete: "off"},
		}}
	f.blame(p.Problem, "account", "pin")
	f.Clock = clockOf(p.Problem)
	return f
}
