package ai

import (
	"fmt"
	"strings"

	iso "golang.org/x/text/language"

	"github.com/run402/functions-mcp/gateway/route"
)

// language checks a code of ISO 639-1, and returns it in lower case.
func language(field, code string) (string, error) {
	code = strings.ToLower(code)
	if !isLanguage(code) {
		return "", route.Invalid(field, fmt.Sprintf("%s must be a language by its two letters of ISO 639-1, such as en or es",
			field))
	}
	return code, nil
}

func isLanguage(code string) bool { return len(code) == 2 && twoLetters(code) != "" }

// twoLetters is the code of ISO 639-1 for one of two or three letters, or "" when there is none.
func twoLetters(code string) string {
	base, err := iso.ParseBase(code)
	if err != nil || len(base.String()) != 2 {
		return ""
	}
	return base.String()
}
