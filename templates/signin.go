package templates

import "io"

// Choice is one way for agents to prove who they are.
type Choice struct{ ID, Name string }

// SignIn is the first page: somebody shows who they are, an agent with their
// own company sign-in, an owner with the product's. With no Connector it offers
// Connectors by name, as links to /sign-in?r=Request&connector=ID; with one,
// which is local, it asks for username and password and posts request,
// connector, username, password to /sign-in/local. For owners all of that lies
// below [OwnerPath].
type SignIn struct {
	Request    string   // sealed request, goes along unseen
	Client     string   // name of the app the agent came from
	Connectors []Choice // in the order of the configuration
	Connector  string   // id of the chosen local connector; empty: show the choice
	Username   string   // typed before; a password never comes back
	Problem    Problem
	Holder     *LoginForm // set where whoever holds a temporary login may use it
}

// LoginForm is the form for a temporary email and password. It posts request,
// form, email, password, reason to /redeem.
type LoginForm struct {
	Request, Form string // sealed request and one-time id of the form, unseen
	Email, Reason string // typed before
	Problem       Problem
}

// signInView is SignIn as the page draws it.
type signInView struct {
	SignIn
	Chosen string // name of the chosen connector
	Local  *form
	Login  *form
}

// fresh reports that nothing was typed or refused before, and that the unseen
// values are opaque: the same page for everybody, but for them.
func (p SignIn) fresh() bool {
	return p.Username == "" && !p.Problem.any() && opaque(p.Request) && (p.Holder == nil ||
		p.Holder.Request == p.Request && opaque(p.Holder.Form) && p.Holder.Email+p.Holder.Reason == "" && !p.Holder.Problem.any())
}

// SignIn writes the sign-in page.
func (s *Set) SignIn(w io.Writer, p SignIn) error {
	if !p.fresh() {
		return s.drawSignIn(w, p)
	}
	name := []string{"sign-in", s.signIn(), p.Client, p.Connector}
	for _, c := range p.Connectors {
		name = append(name, c.ID, c.Name)
	}
	texts := []string{p.Request}
	if p.Holder != nil {
		texts = append(texts, p.Holder.Form)
	}
	return s.sketches.write(w, name, texts, func(w io.Writer, t []string) error {
		q := p
		if q.Request = t[0]; p.Holder != nil {
			q.Holder = &LoginForm{Request: t[0], Form: t[1]}
		}
		return s.drawSignIn(w, q)
	})
}

func (s *Set) drawSignIn(w io.Writer, p SignIn) error {
	v, trouble := signInView{SignIn: p}, p.Problem.any()
	if p.Connector != "" {
		f := localForm(p, s.signIn())
		v.Local = &f
		for _, c := range p.Connectors {
			if c.ID == p.Connector {
				v.Chosen = c.Name
			}
		}
	}
	if p.Holder != nil {
		f := loginForm(*p.Holder, s.signIn())
		// A page has one cursor: the form with the problem wins, then the first.
		if v.Local == nil && len(p.Connectors) == 0 && !p.Holder.Problem.any() {
			f.focus(everything)
		}
		v.Login, trouble = &f, trouble || p.Holder.Problem.any()
	}
	title := "Show who you are"
	if s.owners {
		title = "Sign in"
	}
	if p.Connector == "" && len(p.Connectors) == 0 {
		title = "Sign in with a temporary login"
	}
	return s.render(w, "sign-in", title, trouble, v)
}

func localForm(p SignIn, at string) form {
	f := form{ID: "local", Action: at + "/local", Button: "Sign in", SignIn: at, Again: p.Request,
		Hidden: []hidden{{"request", p.Request}, {"connector", p.Connector}},
		Fields: []field{
			{ID: "username", Name: "username", Label: "Your username", Value: p.Username, Complete: "username", Required: true},
			{ID: "password", Name: "password", Label: "Your password", Type: "password", Complete: "current-password", Required: true},
		}}
	f.blame(p.Problem, "username", "password")
	f.Clock = clockOf(p.Problem)
	if !p.Problem.any() && (p.Holder == nil || !p.Holder.Problem.any()) {
		f.focus(everything)
	}
	return f
}

// reasonHint says when a reason is more than a courtesy: a customer may have
// named a ticket that must be named here too.
const reasonHint = "The customer will see it. Needed if they named a ticket."

// loginForm asks for the temporary login. Nothing here should be remembered by
// a browser, so autocompletion is off.
func loginForm(p LoginForm, signIn string) form {
	f := form{ID: "login", Action: "/redeem", Button: "Continue", SignIn: signIn, Again: p.Request,
		Hidden: []hidden{{"request", p.Request}, {"form", p.Form}},
		Fields: []field{
			{ID: "login-email", Name: "email", Label: "Temporary email", Type: "email", Value: p.Email, Complete: "off", Required: true},
			{ID: "login-password", Name: "password", Label: "Temporary password", Hint: "The one made for support. Never the customer’s own.",
				Type: "password", Complete: "off", Required: true},
			{ID: "login-reason", Name: "reason", Label: "Reason or ticket", Hint: reasonHint, Value: p.Reason, Complete: "off"},
		}}
	f.blame(p.Problem, "email", "password")
	f.Clock = clockOf(p.Problem)
	return f
}

// clockOf is the clock of a block with a known end.
func clockOf(p Problem) clock {
	if p.Until.IsZero() {
		return clock{}
	}
	return newClock(p.Until, p.Now)
}

// Code is the page for somebody's own one-time code, after the password. It
// posts request, proof, code to /sign-in/code, for owners below [OwnerPath].
type Code struct {
	Request, Proof string // sealed request and proof of the password, unseen
	Name           string // of who signs in; may be empty
	Problem        Problem
}

// codeView is Code as the page draws it.
type codeView struct {
	Code
	Form form
}

// Code writes the page that asks for the one-time code.
func (s *Set) Code(w io.Writer, p Code) error {
	hint := "From your authenticator app. Not the customer’s PIN."
	if s.owners {
		hint = "From your authenticator app. Not a PIN that you made for support."
	}
	f := form{ID: "totp", Action: s.signIn() + "/code", Button: "Continue", SignIn: s.signIn(), Again: p.Request,
		Hidden: []hidden{{"request", p.Request}, {"proof", p.Proof}},
		Fields: []field{{ID: "code", Name: "code", Label: "Your code", Hint: hint,
			Complete: "one-time-code", Mode: "numeric", Class: "digits", Required: true}}}
	f.blame(p.Problem, "code")
	f.Clock = clockOf(p.Problem)
	f.focus(everything)
	return s.render(w, "code", "Enter your own code", p.Problem.any(), codeView{p, f})
}
