package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformanceNamesTestsThatExist: a row that says what covers a module, or
// keeps a trap shut, must not outlive the test.
func TestConformanceNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 50 {
		t.Fatalf("the page names %d tests", len(named))
	}
	exist := testNames(t)
	for _, m := range named {
		if !exist[m[1]] {
			t.Errorf("docs/conformance.md names %s, which is not there", m[1])
		}
	}
	seen := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z][a-zA-Z0-9_-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		if seen[row[1]] {
			t.Errorf("docs/conformance.md has two rows for %s", row[1])
		}
		seen[row[1]] = true
	}
}

// testNames are the tests of the whole module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names, function := map[string]bool{}, regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
