package templates

import (
	"io"
	"maps"
	"slices"
)

// FormPost is the page between the broker and an app that wants its answer
// posted: a form that a script sends at once, and a button without scripts. It
// goes elsewhere, so the page's policy must allow the action's origin.
type FormPost struct {
	Client string            // name of the app; may be empty
	Action string            // where the form goes: an http or https URL
	Values map[string]string // what it takes along, unseen
}

// formPostView is FormPost as the page draws it.
type formPostView struct {
	FormPost
	Hidden []hidden
}

// FormPost writes the page.
func (s *Set) FormPost(w io.Writer, p FormPost) error {
	v := formPostView{FormPost: p}
	for _, name := range slices.Sorted(maps.Keys(p.Values)) {
		v.Hidden = append(v.Hidden, hidden{name, p.Values[name]})
	}
	return s.render(w, "form-post", "Going back to the app", false, v)
}
