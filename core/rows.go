package core

import (
	"encoding/json"
	"errors"
)

// splitRows cuts a JSON array into its elements without decoding them; the elements share the body's memory. An empty
// body, which return=minimal answers, has no rows.
func splitRows(body []byte) ([]json.RawMessage, error) {
	i := skipBlanks(body, 0)
	if i == len(body) {
		return []json.RawMessage{}, nil
	}
	// A valid text makes the scan below trivial, and what is passed on uninspected sound.
	if !json.Valid(body) {
		return nil, errors.New("it is no JSON")
	}
	if body[i] != '[' {
		return nil, errors.New("it is no array of rows")
	}
	rows := make([]json.RawMessage, 0, 16)
	for i = skipBlanks(body, i+1); body[i] != ']'; i = skipBlanks(body, i) {
		if body[i] == ',' {
			i = skipBlanks(body, i+1)
		}
		end := valueEnd(body, i)
		rows = append(rows, body[i:end:end])
		i = end
	}
	return rows, nil
}

func skipBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// valueEnd returns where the array element that starts at i ends. b is valid JSON.
func valueEnd(b []byte, i int) int {
	for depth := 0; ; i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
	}
}
