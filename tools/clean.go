package tools

import (
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Text that no person sees can carry instructions for a model. clean takes it out of what came from the backend:
// control characters (those that move a terminal's cursor too), bidirectional controls, zero-width and tag characters.
// Joiners and variation selectors shape Persian, Indic scripts and emoji, so up to two in a row stay; a longer run only
// hides something. It works on the JSON text, because decoding rows would cost more than building them did.

// Clean is clean for whatever else shows agents what a project's people wrote.
func Clean(raw json.RawMessage) json.RawMessage {
	cleaned, _ := clean(raw)
	return cleaned
}

// clean returns the JSON text without invisible characters, literal or escaped, and whether there were any. The result
// is raw itself when there were none.
func clean(raw json.RawMessage) (json.RawMessage, bool) {
	var out []byte
	kept := 0 // raw[:kept] is in out, or dropped
	run := 0  // shaping characters in a row
	for i := 0; i < len(raw); {
		c := raw[i]
		if c < utf8.RuneSelf && c != '\\' && c != 0x7f {
			i, run = i+1, 0
			continue
		}
		r, size := decodeAt(raw, i)
		switch {
		case shapes(r) && run < 2:
			run++
		case shapes(r), invisible(r):
			out = append(out, raw[kept:i]...)
			kept = i + size
		default:
			run = 0
		}
		i += size
	}
	if kept == 0 {
		return raw, false
	}
	return append(out, raw[kept:]...), true
}

// decodeAt returns the character at raw[i] and its length as it is written there. An escape other than \u is itself.
func decodeAt(raw []byte, i int) (rune, int) {
	if raw[i] != '\\' {
		return utf8.DecodeRune(raw[i:])
	}
	r, ok := escape(raw[i:])
	if !ok {
		return '\\', min(2, len(raw)-i)
	}
	if utf16.IsSurrogate(r) {
		if low, ok := escape(raw[i+6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return utf16.DecodeRune(r, low), 12
		}
	}
	return r, 6
}

func escape(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(v), err == nil
}

// shapes reports whether r changes how its neighbours look without being seen itself.
func shapes(r rune) bool {
	return r == 0x200c || r == 0x200d || r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef
}

func invisible(r rune) bool {
	switch {
	case r < 0x20:
		return r != '\t' && r != '\n' && r != '\r'
	case r < 0x7f:
		return false
	case r <= 0x9f, r == 0xad, r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x180e:
		return true
	case r < 0x2000:
		return false
	case r == 0x200b, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	case r == 0x3164, r == 0xfeff, r == 0xffa0, r >= 0xfff0 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe0fff:
		return true
	}
	return false
}
