package arch

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/valetkey/valetkey"

// everything, as the only entry of a list, stands for every package of ours.
const everything = "*"

// below lists what the packages in the middle of the table may share.
var below = []string{
	"scopes", "audit", "templates", "migrations", "credentials", "internal/keys", "internal/store",
}

// direction says for every folder what of ours its packages may import.
// Packages in a folder below one of these follow its line, and may import one
// another. Only cmd reads the configuration: every other package is handed
// what it needs.
var direction = map[string][]string{
	"scopes":          {},
	"audit":           {},
	"guard":           {},
	"templates":       {},
	"migrations":      {},
	"internal/keys":   {},
	"internal/config": {},
	"internal/arch":   {},

	"credentials":    {"scopes", "audit"},
	"internal/store": {"scopes", "audit", "credentials", "internal/keys", "migrations"},

	"provider":            below,
	"internal/connectors": below,
	"revocation":          below,

	"internal/web": {"templates", "internal/keys"},

	"internal/signin": slices.Concat(below, middle),

	"internal/owner": slices.Concat(below, middle, pages),
	"internal/staff": slices.Concat(below, middle, pages),
	"internal/api":   slices.Concat(below, middle),

	"internal/demo": {"guard"},
	"bench":         {everything},
	"e2e":           {"guard"}, // what apps link; of the server nothing
	"cmd":           {everything},

	"internal/store/storetest": {},
	"internal/testkit":         {},
}

var middle = []string{"provider", "revocation", "internal/connectors", "internal/web"}

// pages is what the owner's and the agent's pages share besides.
var pages = []string{"internal/signin"}

// standardOnly lists the folders that import the standard library alone.
var standardOnly = []string{"scopes", "audit", "internal/arch"}

// forbidden lists imports from outside that a folder must do without.
var forbidden = map[string][]string{
	"credentials": {
		"net/http", "database/sql", "github.com/zitadel", "github.com/jackc/pgx", "modernc.org/sqlite",
	},
}

// engine is the OpenID library's server side, which only provider may touch.
const engine = "github.com/zitadel/oidc/v3/pkg/op"

// testsOnly lists packages that no program may contain but the bench, which
// starts what tests start.
var testsOnly = []string{"internal/store/storetest", "internal/keys/keystest", "internal/testkit", "guard/guardtest"}

// listed is what `go list` says of one package; test files count for nothing.
type listed struct {
	ImportPath string
	Imports    []string
}

// violations returns one sentence for every import that the table forbids,
// and for every package that has no place in it.
func violations(packages []listed) []string {
	var found []string
	for _, p := range packages {
		name := relative(p.ImportPath)
		folder, ok := lineOf(name)
		if !ok {
			found = append(found, fmt.Sprintf("%s has no line in the table of directions", name))
			continue
		}
		for _, imported := range p.Imports {
			if why := refuse(folder, imported); why != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", name, imported, why))
			}
		}
	}
	return found
}

// refuse says why a package of folder must not import imported, or nothing.
func refuse(folder, imported string) string {
	if imported == module || strings.HasPrefix(imported, module+"/") {
		return refuseOurs(folder, relative(imported))
	}
	if slices.Contains(standardOnly, folder) && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return "the standard library only"
	}
	for _, prefix := range forbidden[folder] {
		if within(imported, prefix) {
			return "not in this package"
		}
	}
	if within(imported, engine) && folder != "provider" {
		return "only provider touches the OpenID engine"
	}
	return ""
}

func refuseOurs(folder, name string) string {
	if slices.Contains(testsOnly, name) && name != folder && folder != "bench" {
		return "that package is for tests only"
	}
	target, _ := lineOf(name)
	allowed := direction[folder]
	if target == folder || slices.Contains(allowed, everything) || slices.Contains(allowed, target) {
		return ""
	}
	return fmt.Sprintf("it may import of ours %q only", allowed)
}

// lineOf returns the table's line for a package: its own folder's, or that of
// the nearest folder above.
func lineOf(name string) (string, bool) {
	for {
		if _, ok := direction[name]; ok {
			return name, true
		}
		cut := strings.LastIndexByte(name, '/')
		if cut < 0 {
			return "", false
		}
		name = name[:cut]
	}
}

func relative(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

// within reports whether path is prefix or lies below it; a version suffix
// such as pgx/v5 lies below.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}
