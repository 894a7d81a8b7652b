package demo

import "slices"

// Person is somebody of the demonstration.
type Person struct {
	ID     string // their sub at their issuer
	Name   string
	Email  string
	Note   string         // what the sign-in page says beside the name
	Claims map[string]any // what else their issuer says of them
}

// text is a claim that is a text; empty where there is none.
func (p Person) text(claim string) string {
	s, _ := p.Claims[claim].(string)
	return s
}

// Customers are the people of one customer account, in two roles.
func Customers() []Person {
	acme := func(role string) map[string]any {
		return map[string]any{"account_id": "acme", "account_name": "Acme Inc", "account_number": "4821", "role": role}
	}
	return []Person{
		{ID: "olivia", Name: "Olivia Owner", Email: "olivia@acme.example", Note: "Owner of Acme Inc", Claims: acme("owner")},
		{ID: "uma", Name: "Uma User", Email: "uma@acme.example", Note: "User at Acme Inc", Claims: acme("user")},
	}
}

// Staff are the support team.
func Staff() []Person {
	support := map[string]any{"groups": []string{"support"}}
	return []Person{
		{ID: "dana", Name: "Dana Reed", Email: "dana@northwind.example", Note: "Support team", Claims: support},
		{ID: "sam", Name: "Sam Rivera", Email: "sam@northwind.example", Note: "Support team", Claims: support},
	}
}

func personOf(people []Person, id string) (Person, bool) {
	i := slices.IndexFunc(people, func(p Person) bool { return p.ID == id })
	if i < 0 {
		return Person{}, false
	}
	return people[i], true
}
