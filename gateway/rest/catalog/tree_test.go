package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShownColumns(t *testing.T) {
	entry := func(fields string) string { return "{TARGETENTRY :expr {VAR :varno 1} " + fields + " :resjunk false}" }
	query := func(before, entries string) string {
		return "({QUERY :commandType 1 :rtable " + before + " :targetList (" + entries + ") :override 0})"
	}
	for name, test := range map[string]struct {
		tree string
		want map[int16]origin
	}{
		"no tree":    {"", map[int16]origin{}},
		"no columns": {query("<>", ""), map[int16]origin{}},
		"a column and an expression": {
			query("<>", entry(":resno 1 :resorigtbl 16385 :resorigcol 2")+" "+entry(":resno 2 :resorigtbl 0 :resorigcol 0")),
			map[int16]origin{1: {16385, 2}},
		},
		"not those of a subquery": {
			query("({RTE :subquery {QUERY :targetList ("+entry(":resno 1 :resorigtbl 9 :resorigcol 9")+")}})",
				entry(":resno 1 :resorigtbl 16385 :resorigcol 1")),
			map[int16]origin{1: {16385, 1}},
		},
		"names full of structure": {
			query(`({RTE :colnames ("a\}\)" "\{")})`, entry(`:resno 3 :resname \{\}\)\ x :resorigtbl 16385 :resorigcol 4`)),
			map[int16]origin{3: {16385, 4}},
		},
		"a name that looks like a field": {
			query("<>", entry(":resno 3 :resname :resorigtbl :x 1 :resorigtbl 16385 :resorigcol 4")),
			map[int16]origin{3: {16385, 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, shownColumns(test.tree), cmp.AllowUnexported(origin{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzShownColumns(f *testing.F) {
	f.Add("({QUERY :targetList ({TARGETENTRY :resno 1 :resorigtbl 16385 :resorigcol 2})})")
	f.Add(`({QUERY :targetList ({TARGETENTRY :resname \`)
	f.Fuzz(func(t *testing.T, tree string) {
		for column, from := range shownColumns(tree) {
			if column < 0 || from.number < 0 || from.relation == 0 {
				t.Errorf("column %d shows %+v", column, from)
			}
		}
	})
}
