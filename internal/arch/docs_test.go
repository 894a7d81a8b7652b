package arch

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestConformanceNamesTestsThatExist: a row that says what covers a module, or
// keeps a trap shut, must not outlive the test.
func TestConformanceNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	page := conformancePage(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(page, -1)
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
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z][a-zA-Z0-9_-]+)` \\|").FindAllStringSubmatch(page, -1) {
		if seen[row[1]] {
			t.Errorf("docs/conformance.md has two rows for %s", row[1])
		}
		seen[row[1]] = true
	}
}

// conformanceColumns say which table of docs/conformance.md has the results of a
// plan, and in which column.
var conformanceColumns = []struct {
	plan, heading string
	column        int
}{
	{"Config", "## Config", 0},
	{"Basic", "## Basic", 0},
	{"Form Post Basic", "## Basic", 1},
	{"RP-Initiated Logout", "## RP-Initiated", 0},
	{"Back-Channel RP-Initiated Logout", "## Back-Channel", 0},
	{"FAPI 2.0 Security Profile Final", "## FAPI 2.0", 0},
}

// TestConformanceCountsWhatItsRowsSay: what the page sums up is what it says of
// each module, in the suite's own words.
func TestConformanceCountsWhatItsRowsSay(t *testing.T) {
	t.Parallel()
	page := conformancePage(t)
	words := []string{"PASSED", "WARNING", "REVIEW", "SKIPPED", "FAILED"}
	for _, c := range conformanceColumns {
		counts, modules := map[string]int{}, 0
		for _, row := range moduleRow.FindAllStringSubmatch(section(page, c.heading), -1) {
			result := strings.TrimSpace(strings.Split(row[2], "|")[c.column])
			if strings.HasPrefix(result, "not for ") {
				continue
			}
			if !slices.Contains(words, result) {
				t.Errorf("%s: the result of %s is %q", c.plan, row[1], result)
			}
			counts[result]++
			modules++
		}
		want := fmt.Sprintf("| *%s* | %d |", c.plan, modules)
		for _, word := range words {
			want += fmt.Sprintf(" %d |", counts[word])
		}
		if !strings.Contains(page, want) {
			t.Errorf("the page does not sum up: %s", want)
		}
	}
}

// TestConformanceHasEveryModuleThatAPlanNames: whatever a plan does otherwise for
// a module, the page says of that module.
func TestConformanceHasEveryModuleThatAPlanNames(t *testing.T) {
	t.Parallel()
	page := conformancePage(t)
	files, err := filepath.Glob("../../e2e/conformance/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no plans: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var plan struct{ Override map[string]any }
		if err := json.Unmarshal(text, &plan); err != nil {
			t.Fatal(err)
		}
		for module := range plan.Override {
			if name := strings.TrimPrefix(module, "fapi2-security-profile-final-"); !strings.Contains(page, "\n| `"+name+"` |") {
				t.Errorf("%s does something for %s, which has no row", filepath.Base(file), module)
			}
		}
		if name := filepath.Base(file); !strings.Contains(page, "`/tmp/"+name+"`") {
			t.Errorf("the page does not say what %s is for", name)
		}
	}
}

// moduleRow is a module, and after its tests its results.
var moduleRow = regexp.MustCompile("(?m)^\\| `([a-z][a-zA-Z0-9_-]+)` \\| [^|]*\\| (.*) \\|$")

func conformancePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// section is what stands below a heading that begins so.
func section(page, heading string) string {
	_, rest, _ := strings.Cut(page, "\n"+heading)
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
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
