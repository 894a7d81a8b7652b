package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxFileLines     = 400
	maxFunctionLines = 60
)

// root is the module's folder, seen from this package's.
const root = "../.."

func TestImportsFollowTheDirection(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 2 {
		t.Fatalf("go list knows %d packages", len(packages))
	}
	for _, v := range violations(packages) {
		t.Error(v)
	}
}

func TestViolationsAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, imports string
		ok            bool
	}{
		{"scopes", "slices", true},
		{"scopes", "golang.org/x/crypto/argon2", false},
		{"audit", module + "/scopes", false},
		{"credentials", module + "/audit", true},
		{"credentials", module + "/internal/store", false},
		{"credentials", "net/http", false},
		{"credentials", "github.com/jackc/pgx/v5", false},
		{"internal/store", module + "/credentials", true},
		{"internal/store", module + "/internal/store/storetest", false},
		{"internal/store/storetest", module + "/internal/store", false},
		{"internal/demo", module + "/internal/testkit", false},
		{"internal/testkit", module + "/internal/store", false},
		{"provider", module + "/internal/store", true},
		{"provider", module + "/internal/connectors", false},
		{"provider", engine, true},
		{"internal/connectors", engine, false},
		{"internal/web", module + "/templates", true},
		{"internal/web", module + "/credentials", false},
		{"internal/staff", module + "/internal/web", true},
		{"internal/staff", module + "/internal/api", false},
		{"internal/api", module + "/internal/config", false},
		{"templates/assets", module + "/templates", true},
		{"cmd/valetkey", module + "/internal/config", true},
		{"guard", module + "/scopes", false},
		{"utils", "fmt", false},
	} {
		got := violations([]listed{{ImportPath: module + "/" + c.from, Imports: []string{c.imports}}})
		if (len(got) == 0) != c.ok {
			t.Errorf("%s importing %s: allowed %v, want %v (%v)", c.from, c.imports, len(got) == 0, c.ok, got)
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, complaint := range tooLong(path, source) {
			t.Error(complaint)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tooLong returns one sentence for a file, and for each of its functions,
// that is over its limit. Functions inside functions count as part of those.
func tooLong(path string, source []byte) []string {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	if n := bytes.Count(source, []byte("\n")); n > maxFileLines {
		found = append(found, fmt.Sprintf("%s has %d lines, over %d", path, n, maxFileLines))
	}
	ast.Inspect(parsed, func(node ast.Node) bool {
		name := "a function"
		switch f := node.(type) {
		case *ast.FuncDecl:
			name = f.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		first, last := files.Position(node.Pos()), files.Position(node.End())
		if n := last.Line - first.Line + 1; n > maxFunctionLines {
			found = append(found, fmt.Sprintf("%s: %s has %d lines, over %d", first, name, n, maxFunctionLines))
		}
		return false
	})
	return found
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	function := func(lines int) string {
		return "package p\n\n// f has a comment.\nfunc f() {\n" + strings.Repeat("_ = 0\n", lines-2) + "}\n"
	}
	for name, c := range map[string]struct {
		source string
		want   int
	}{
		"a function at the limit":   {function(maxFunctionLines), 0},
		"a function over it":        {function(maxFunctionLines + 1), 1},
		"a file at the limit":       {"package p\n" + strings.Repeat("\n", maxFileLines-1), 0},
		"a file over it":            {"package p\n" + strings.Repeat("\n", maxFileLines), 1},
		"a variable's function":     {"package p\nvar f = func() {\n" + strings.Repeat("_ = 0\n", maxFunctionLines) + "}\n", 1},
		"something that is no file": {"func", 1},
	} {
		if got := tooLong("f.go", []byte(c.source)); len(got) != c.want {
			t.Errorf("%s: %d complaints, want %d: %v", name, len(got), c.want, got)
		}
	}
}
