package catalog

import (
	"strconv"
	"strings"
)

// shownColumns reads from the parse tree of a view, as PostgreSQL spells it, which of its columns show a column of
// another relation as it is: ({QUERY … :targetList ({TARGETENTRY … :resno 1 … :resorigtbl 16385 :resorigcol 2 …}) …}).
// The entries of the view itself are those at the fourth level; deeper ones are of subqueries. In names, a backslash
// stands before every character that could be taken for structure.
func shownColumns(tree string) map[int16]origin {
	const level = 4
	columns := map[int16]origin{}
	var column, of, number uint64
	depth, entry := 0, false
	for i := 0; i < len(tree); i++ {
		switch tree[i] {
		case '\\':
			i++
		case '{', '(':
			depth++
			if depth == level {
				entry = strings.HasPrefix(tree[i:], "{TARGETENTRY ")
				column, of, number = 0, 0, 0
			}
		case '}', ')':
			if depth == level && entry && of != 0 {
				columns[int16(column)] = origin{uint32(of), int16(number)}
			}
			depth--
		case ':':
			if depth == level && entry {
				field(tree[i:], ":resno ", 15, &column)
				field(tree[i:], ":resorigtbl ", 32, &of)
				field(tree[i:], ":resorigcol ", 15, &number)
			}
		}
	}
	return columns
}

// field reads the number of a field of at most so many bits, if that is what the text begins with: a name may look like
// a field, but no number follows it.
func field(tree, name string, bits int, into *uint64) {
	rest, ok := strings.CutPrefix(tree, name)
	if !ok {
		return
	}
	digits, _, _ := strings.Cut(rest, " ")
	digits = strings.TrimRight(digits, "})")
	if n, err := strconv.ParseUint(digits, 10, bits); err == nil {
		*into = n
	}
}
