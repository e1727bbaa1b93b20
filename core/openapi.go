package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// openAPIProperty is a column in a definition of the root document.
type openAPIProperty struct {
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Default     json.RawMessage   `json:"default"`
	HasDefault  bool              `json:"x-has-default"` // ours: there is one that JSON cannot express
	Enum        []json.RawMessage `json:"enum"`
}

// parseOpenAPI reads the tables out of PostgREST's root document (OpenAPI 2.0), sorted by name, each with its columns
// in the document's order. A definition without a path of its own, a function's result for instance, is no table.
func parseOpenAPI(doc []byte) ([]TableInfo, error) {
	var root struct {
		Paths       map[string]map[string]json.RawMessage `json:"paths"`
		Definitions map[string]struct {
			Description string          `json:"description"`
			Required    []string        `json:"required"`
			Properties  json.RawMessage `json:"properties"`
		} `json:"definitions"`
	}
	if err := json.Unmarshal(doc, &root); err != nil {
		return nil, err
	}
	if root.Paths == nil {
		return nil, errors.New("it is no OpenAPI document")
	}
	tables := make([]TableInfo, 0, len(root.Definitions))
	for name, def := range root.Definitions {
		verbs, found := root.Paths["/"+name]
		if !found {
			continue
		}
		t := TableInfo{Name: name, Description: def.Description, Columns: []ColumnInfo{}}
		_, t.Insertable = verbs["post"]
		_, t.Updatable = verbs["patch"]
		_, t.Deletable = verbs["delete"]
		err := eachMember(def.Properties, func(column string, raw json.RawMessage) error {
			var p openAPIProperty
			if err := json.Unmarshal(raw, &p); err != nil {
				return fmt.Errorf("column %q: %w", column, err)
			}
			t.Columns = append(t.Columns, columnInfo(column, p, slices.Contains(def.Required, column)))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", name, err)
		}
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b TableInfo) int { return strings.Compare(a.Name, b.Name) })
	return tables, nil
}

func columnInfo(name string, p openAPIProperty, notNull bool) ColumnInfo {
	c := ColumnInfo{Name: name, Type: p.Format, Default: scalarText(p.Default)}
	switch c.Type {
	case "":
		c.Type = p.Type
	case "int32": // what newer versions of PostgREST say of a smallint too
		c.Type = "integer"
	case "int64":
		c.Type = "bigint"
	}
	c.Required = notNull && len(p.Default) == 0 && !p.HasDefault
	for _, raw := range p.Enum {
		c.Enum = append(c.Enum, scalarText(raw))
	}
	// PostgREST appends "Note:\nThis is a Primary Key.<pk/>" and "…<fk table='t' column='c'/>" to the comment.
	comment, notes := p.Description, ""
	if i := strings.LastIndex(comment, "Note:\n"); i >= 0 {
		comment, notes = comment[:i], comment[i:]
	}
	c.Comment = strings.TrimSpace(comment)
	c.PrimaryKey = strings.Contains(notes, "<pk/>")
	if _, after, found := strings.Cut(notes, "<fk table='"); found {
		if table, after, found := strings.Cut(after, "' column='"); found {
			if column, _, found := strings.Cut(after, "'/>"); found {
				c.References = table + "." + column
			}
		}
	}
	return c
}

// scalarText returns a JSON string as its text and any other value as its JSON; null and nothing are "".
func scalarText(raw json.RawMessage) string {
	var s *string
	switch {
	case len(raw) == 0:
		return ""
	case json.Unmarshal(raw, &s) != nil:
		return string(raw)
	case s == nil:
		return ""
	}
	return *s
}

// eachMember visits the members of a JSON object in their order, which a map would lose.
func eachMember(object []byte, visit func(name string, value json.RawMessage) error) error {
	if len(object) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	switch token, err := dec.Token(); {
	case err != nil:
		return err
	case token == nil: // null
		return nil
	case token != json.Delim('{'):
		return errors.New("its properties are no object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if err := visit(name.(string), value); err != nil {
			return err
		}
	}
	return nil
}
