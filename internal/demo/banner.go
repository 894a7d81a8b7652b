package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// banner stands on top of every page of support mode. It cannot be closed.
type banner struct {
	Account string
	Agent   string
	Contact string
	Can     string
	Left    string
}

// labels are what scopes let an agent do, in the order in which it is said.
var labels = []struct{ scope, label string }{
	{"documents.read", "view documents"},
	{"documents.write", "edit documents"},
	{"settings.read", "view settings"},
	{"settings.write", "change settings"},
}

func (d *Docs) banner(may lent) *banner {
	var can []string
	for _, l := range labels {
		if slices.Contains(may.Scopes, l.scope) {
			can = append(can, l.label)
		}
	}
	if len(can) == 0 {
		can = []string{"sign in, and nothing more"}
	}
	return &banner{Account: may.Name, Agent: may.Agent, Contact: may.Contact, Can: "can " + strings.Join(can, ", "),
		Left: left(may.EndsAt.Sub(d.Now()))}
}

// left writes how long a session still lasts, in whole minutes and never more
// than there are.
func left(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case minutes < 1:
		return "less than a minute left"
	case minutes == 1:
		return "1 minute left"
	case minutes < 120:
		return fmt.Sprintf("%d minutes left", minutes)
	default:
		return fmt.Sprintf("%d hours left", minutes/60)
	}
}

type bannerKey struct{}

func withBanner(ctx context.Context, b *banner) context.Context {
	return context.WithValue(ctx, bannerKey{}, b)
}

// bannerOf is the banner of the click that is served; nil for customers.
func bannerOf(ctx context.Context) *banner {
	b, _ := ctx.Value(bannerKey{}).(*banner)
	return b
}
