package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/run402/functions-mcp/core/wire"
)

// sqlColumns turns the texts that PostgreSQL answers raw SQL with into JSON objects, as contract section 4 has them.
type sqlColumns struct {
	fields []wire.SQLField
	oids   []uint32
	keys   [][]byte // the names as JSON; nil for one that a later column of the same name hides
	types  *pgtype.Map
}

func newSQLColumns(descriptions []pgconn.FieldDescription, types *pgtype.Map) sqlColumns {
	c := sqlColumns{types: types, fields: make([]wire.SQLField, len(descriptions))}
	last := make(map[string]int, len(descriptions))
	for i, d := range descriptions {
		last[d.Name] = i
	}
	for i, d := range descriptions {
		c.fields[i] = wire.SQLField{Name: d.Name, Type: sqlTypeName(d.DataTypeOID)}
		c.oids = append(c.oids, d.DataTypeOID)
		var key []byte
		if last[d.Name] == i {
			key = jsonString(d.Name)
		}
		c.keys = append(c.keys, key)
	}
	return c
}

func (c sqlColumns) row(values [][]byte) json.RawMessage {
	out := []byte{'{'}
	for i, value := range values {
		if c.keys[i] == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, c.keys[i]...), ':')
		out = append(out, c.value(c.oids[i], value)...)
	}
	return append(out, '}')
}

// value is one text value as JSON. Whole numbers beyond 32 bits and decimals are strings: no reader rounds those.
func (c sqlColumns) value(oid uint32, text []byte) []byte {
	if text == nil {
		return []byte("null")
	}
	switch oid {
	case pgtype.BoolOID:
		if string(text) == "t" {
			return []byte("true")
		}
		return []byte("false")
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.OIDOID, pgtype.Float4OID, pgtype.Float8OID:
		if json.Valid(text) {
			return text
		}
		return jsonString(string(text)) // NaN and Infinity
	case pgtype.JSONOID, pgtype.JSONBOID:
		return text
	case pgtype.TimestamptzOID, pgtype.TimestampOID:
		return c.timestamp(oid, text)
	}
	if t, ok := c.types.TypeForOID(oid); ok {
		if codec, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			if out, ok := c.array(codec.ElementType.OID, text); ok {
				return out
			}
		}
	}
	return jsonString(string(text))
}

// timestamp writes ISO 8601: with Z where the type knows the zone, in milliseconds unless there is more to say.
func (c sqlColumns) timestamp(oid uint32, text []byte) []byte {
	var at time.Time
	if err := c.types.Scan(oid, pgtype.TextFormatCode, text, &at); err != nil {
		return jsonString(string(text)) // infinity, or before Christ
	}
	layout := "2006-01-02T15:04:05.000"
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		layout = "2006-01-02T15:04:05.000000"
	}
	if oid == pgtype.TimestamptzOID {
		layout += "Z"
	}
	return jsonString(at.UTC().Format(layout))
}

func (c sqlColumns) array(element uint32, text []byte) ([]byte, bool) {
	var items pgtype.Array[pgtype.Text]
	// As an array of texts, so that each item keeps its own spelling.
	if err := c.types.Scan(pgtype.TextArrayOID, pgtype.TextFormatCode, text, &items); err != nil || !items.Valid {
		return nil, false
	}
	next := 0
	return c.dimension(element, items, 0, &next), true
}

func (c sqlColumns) dimension(element uint32, items pgtype.Array[pgtype.Text], depth int, next *int) []byte {
	out := []byte{'['}
	if depth < len(items.Dims) {
		for i := range items.Dims[depth].Length {
			if i > 0 {
				out = append(out, ',')
			}
			if depth+1 < len(items.Dims) {
				out = append(out, c.dimension(element, items, depth+1, next)...)
				continue
			}
			item := items.Elements[*next]
			*next++
			if item.Valid {
				out = append(out, c.value(element, []byte(item.String))...)
			} else {
				out = append(out, "null"...)
			}
		}
	}
	return append(out, ']')
}

func jsonString(s string) []byte {
	out, err := json.Marshal(s)
	if err != nil { // a string always can be
		return []byte(`""`)
	}
	return out
}

// sqlTypeName is the name of contract section 4, or the oid where that has none.
func sqlTypeName(oid uint32) string {
	switch oid {
	case pgtype.BoolOID:
		return "bool"
	case pgtype.Int2OID:
		return "int2"
	case pgtype.Int4OID:
		return "int4"
	case pgtype.Int8OID:
		return "int8"
	case pgtype.TextOID:
		return "text"
	case pgtype.Float4OID:
		return "float4"
	case pgtype.Float8OID:
		return "float8"
	case pgtype.VarcharOID:
		return "varchar"
	case pgtype.DateOID:
		return "date"
	case pgtype.TimestampOID:
		return "timestamp"
	case pgtype.TimestamptzOID:
		return "timestamptz"
	case pgtype.NumericOID:
		return "numeric"
	case pgtype.UUIDOID:
		return "uuid"
	case pgtype.JSONBOID:
		return "jsonb"
	case pgtype.TextArrayOID:
		return "text[]"
	}
	return fmt.Sprintf("oid:%d", oid)
}
