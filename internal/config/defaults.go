package config

// fillDefaults sets the defaults that depend on other keys. Those that do not
// are in the struct tags.
func (c *Config) fillDefaults(w *walker) {
	if c.DatabaseDirect.isZero() {
		c.DatabaseDirect = c.Database
	}
	for i := range c.Owners {
		o := &c.Owners[i]
		orElse(&o.Name, o.ID)
		_, o.MayPresent = w.lines[w.items["owners"][i]+".may"]
		for j := range o.Local {
			o.Local[j].fillDefaults(o.Account)
		}
	}
	for i := range c.Agents {
		a := &c.Agents[i]
		orElse(&a.Name, a.ID)
		for j := range a.Local {
			orElse(&a.Local[j].Name, a.Local[j].Username)
		}
	}
	for i := range c.Scopes {
		orElse(&c.Scopes[i].Label, c.Scopes[i].Name)
	}
	for i := range c.Policies {
		c.Policies[i].fillDefaults(w, w.items["policies"][i])
	}
	for i := range c.Clients {
		cl := &c.Clients[i]
		orElse(&cl.Name, cl.ID)
		if cl.Has(GrantCode) || cl.Has(GrantExchange) {
			orElse(&cl.Audience, cl.ID)
		}
		if len(c.Owners) == 1 {
			orElse(&cl.Owners, c.Owners[0].ID)
		}
	}
}

// fillDefaults takes the account of a local owner from the person or, where it
// has none, from the claims that the connector names.
func (p *OwnerPerson) fillDefaults(named Account) {
	orElse(&p.Name, p.Username)
	if p.Account == (Account{}) {
		p.Account = Account{p.Claims.first(named.ID), p.Claims.first(named.Name), p.Claims.first(named.Handle)}
	}
	orElse(&p.Account.Name, p.Account.ID)
	orElse(&p.Account.Handle, p.Account.ID)
}

func (c Claims) first(name string) string {
	if values := c[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (p *Policy) fillDefaults(w *walker, key string) {
	orElse(&p.Name, p.ID)
	absent := func(name string) bool { _, ok := w.lines[key+"."+name]; return !ok }
	if p.Kind == "password" {
		if absent("uses") {
			p.Uses.Unlimited = true
		}
		return
	}
	if absent("digits") {
		p.Digits = 6
	}
	if absent("tries") {
		p.Tries = 5
		if p.Digits < strongDigits {
			p.Tries = 3
		}
	}
	if absent("uses") {
		p.Uses.N = 1
	}
}

func orElse(s *string, other string) {
	if *s == "" {
		*s = other
	}
}
