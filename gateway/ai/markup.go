package ai

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// marked is what a program put into a text and no language changes: tags, entities, placeholders ({name}, {{name}},
// ${name}, %s, %1$s, %(name)s), URLs and addresses of mail.
var marked = regexp.MustCompile(`(?i)</?[a-z][^<>]*>|&(?:[a-z]+|#\d+);|\{\{[^{}]*\}\}|\$?\{[^{}\s]*\}|` +
	`%(?:\d+\$|\(\w+\))?[sdf]\b|https?://[^\s<>"]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+`)

// lost names one mark of a text that its translation does not have as often, or "". Of a tag only the name counts,
// since the texts of its attributes may be translated.
func lost(text, translation string) string {
	had, has := marks(text), marks(translation)
	for i, mark := range had {
		if i > 0 && had[i-1] == mark {
			continue
		}
		if count(had, mark) != count(has, mark) {
			return mark
		}
	}
	return ""
}

func count(sorted []string, mark string) int {
	first, found := slices.BinarySearch(sorted, mark)
	if !found {
		return 0
	}
	n := 0
	for _, other := range sorted[first:] {
		if other != mark {
			break
		}
		n++
	}
	return n
}

// marks are those of a text, sorted.
func marks(text string) []string {
	found := marked.FindAllString(text, -1)
	for i, mark := range found {
		if mark[0] == '<' {
			end := strings.IndexFunc(mark[2:], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
			found[i] = strings.ToLower(mark[:2+end]) + ">"
		}
	}
	slices.Sort(found)
	return found
}

// wordsIn counts a text's words. Scripts that put no blanks between them have two letters to a word.
func wordsIn(text string) int64 {
	var n, letters int64
	for word := range strings.FieldsSeq(text) {
		n++
		for _, r := range word {
			if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer,
				unicode.Myanmar) {
				letters++
			}
		}
	}
	return max(n, (letters+1)/2)
}
