package store

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// statement is one that this package sends to the database.
type statement struct{ text, file, name string }

var isStatement = regexp.MustCompile(`^(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)

// nothing stands for every imported package: the text of a statement needs none.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	p := types.NewPackage(path, filepath.Base(path))
	p.MarkComplete()
	return p, nil
}

// statements reads those of this package's source that are arguments of a call
// or elements of a list or map, by their text. They are not copied anywhere, so
// none can be forgotten; those that code puts together are not among them.
var statements = sync.OnceValues(func() (map[string]statement, error) {
	files := token.NewFileSet()
	var sources []*ast.File
	names, err := filepath.Glob("*.go")
	for _, name := range names {
		if err != nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		var f *ast.File
		f, err = parser.ParseFile(files, name, nil, 0)
		sources = append(sources, f)
	}
	if err != nil {
		return nil, err
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: nothing{}, Error: func(error) {}} // imports are missing, constants are not
	_, _ = config.Check("store", files, sources, info)
	found := map[string]statement{}
	for _, f := range sources {
		ast.Inspect(f, func(n ast.Node) bool {
			var used []ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr:
				used = n.Args
			case *ast.CompositeLit:
				used = n.Elts
			case *ast.AssignStmt:
				used = n.Rhs
			case *ast.ReturnStmt:
				used = n.Results
			}
			for _, e := range used {
				if pair, is := e.(*ast.KeyValueExpr); is {
					e = pair.Value
				}
				v := info.Types[e].Value
				if v == nil || v.Kind() != constant.String || !isStatement.MatchString(constant.StringVal(v)) {
					continue
				}
				at := files.Position(e.Pos())
				found[constant.StringVal(v)] = statement{constant.StringVal(v), at.Filename, types.ExprString(e)}
			}
			return true
		})
	}
	return found, nil
})
