package rig

import (
	"slices"
	"testing"
)

func TestForm(t *testing.T) {
	t.Parallel()
	const page = `<form method="post"><input name="search"></form>
<form method="post" action="/a?x=1&amp;y=2" class="stack"><input type="hidden" name="request" value="r&#43;1">
<input type="hidden" name="empty" value=""><input type="hidden" name="bare"><input id="f" name="email" type="text"></form>
<form action="/b"><input type="hidden" name="request" value="other"><button name="enter" value="1">Go</button></form><form action="/c"><input name="open">`
	for field, want := range map[string]struct {
		action string
		unseen []string
	}{
		"email": {"/a?x=1&y=2", []string{"request", "r+1", "empty", ""}},
		"enter": {"/b", []string{"request", "other"}},
	} {
		action, unseen, err := form([]byte(page), field)
		if err != nil || action != want.action || !slices.Equal(unseen, want.unseen) {
			t.Errorf("%s: %s %v, %v", field, action, unseen, err)
		}
	}
	for _, field := range []string{"search", "open", "nothing", ""} {
		if action, _, err := form([]byte(page), field); err == nil {
			t.Errorf("a form with %q: %s", field, action)
		}
	}
}
