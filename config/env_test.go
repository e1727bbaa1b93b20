package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarnings(t *testing.T) {
	const none = " is not a variable of this program and has no effect"
	for name, test := range map[string]struct {
		pair string
		want []string
	}{
		"one letter off": {
			"RUN402_READONLY=true", []string{"RUN402_READONLY" + none + ": did you mean RUN402_READ_ONLY?"},
		},
		"lower case": {
			"run402_anon_key=k", []string{"run402_anon_key" + none + ": did you mean RUN402_ANON_KEY?"},
		},
		"a ceiling misspelt": {
			"RUN402_GATE=g", []string{"RUN402_GATE" + none + ": did you mean RUN402_GATES?"},
		},
		"nothing like it": {"RUN402_ZZZZZZZZZZ=1", []string{"RUN402_ZZZZZZZZZZ" + none}},
		"of a later version": {
			"RUN402_OPEN_GRANTS=1", []string{"RUN402_OPEN_GRANTS is not supported yet and has no effect"},
		},
		"honoured":                     {"RUN402_TOOLSETS=data", nil},
		"refused elsewhere":            {"RUN402_GATES=g", nil},
		"from the platform":            {"RUN402_RELEASE_ID=rel_1", nil},
		"empty":                        {"RUN402_NONSENSE=", nil},
		"another program's":            {"RUN4020_READONLY=1", nil},
		"a value with an equals sign ": {"RUN402_LOG=a=b", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Warnings([]string{"PATH=/bin", test.pair})); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoVariableStandsInTwoLists(t *testing.T) {
	all := slices.Concat(honoured(), platform(), harmless(), ceilings())
	slices.Sort(all)
	if distinct := slices.Compact(slices.Clone(all)); len(distinct) != len(all) || len(all) < 30 {
		t.Errorf("%d names, %d distinct", len(all), len(distinct))
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"ac", "abc", 1},
		{"kitten", "sitting", 3},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
