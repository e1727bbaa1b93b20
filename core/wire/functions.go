package wire

import "strings"

// Functions is the path below which functions are called by name, section 10.1. Run402 Core has another, of another
// shape: POST /functions/v1/invoke.
const Functions = "/functions/v1"

// MaxFunctionBody is how long a function's request and its answer may each be, in bytes, section 10.3.
const MaxFunctionBody = 6 << 20

// ValidFunctionName reports whether a function can have a name: 1 to 64 lower-case letters, digits, "_" and "-", the
// first a letter or a digit; "invoke" and "runs" are routes of the platform, section 10.1.
func ValidFunctionName(name string) bool {
	if name == "" || len(name) > 64 || name == "invoke" || name == "runs" || name[0] == '_' || name[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}
