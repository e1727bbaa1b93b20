package tools

import "strings"

// nearest returns the valid name that a wrong one probably meant, or "" when none is near: the names differ in case or
// blanks only, in at most a third of their letters, or one begins with the other.
func nearest(wrong string, valid []string) string {
	fold := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
	}
	const longest = 64 // bounds the work on hostile names
	w := fold(wrong)
	if w == "" || len(w) > longest {
		return ""
	}
	best, bestDistance := "", len(w)
	for _, name := range valid {
		v := fold(name)
		if len(v) > longest {
			continue
		}
		d := distance(w, v)
		if len(w) >= 3 && len(v) >= 3 && (strings.HasPrefix(v, w) || strings.HasPrefix(w, v)) {
			d = min(d, 1)
		}
		if d <= max(1, max(len(w), len(v))/3) && d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete, replace or swap with their neighbour to make a from b.
func distance(a, b string) int {
	row := func() []int { return make([]int, len(b)+1) }
	before, last, this := row(), row(), row()
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		this[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			this[j+1] = min(last[j]+cost, last[j+1]+1, this[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				this[j+1] = min(this[j+1], before[j-1]+1)
			}
		}
		before, last, this = last, this, before
	}
	return last[len(b)]
}
