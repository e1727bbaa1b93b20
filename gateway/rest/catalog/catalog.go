// Package catalog knows what the served schemas of a database hold: tables, their keys and relationships, functions. It
// is what embedding, function calls, defaults, keys, OpenAPI and hints are made from (wire contract, section 2.3); a
// plain request needs none of it.
//
// A Catalog is one immutable snapshot, read by one transaction; a Cache keeps the newest. It is by hand because the
// rules are PostgREST's: which relationships a view takes from its tables, what makes a junction, when two rows are one
// to one. A Catalog knows no privileges: what an error or hint names must be asked of PostgreSQL as the caller.
package catalog

import (
	"maps"
	"slices"
)

// Catalog is what the served schemas held at one moment. It and all that it points to must not be changed.
type Catalog struct {
	schemas     map[string]*schema
	relations   map[*Table][]*Relation
	handlers    []Handler
	represented bool   // some column has a Representation
	fingerprint string // of the system catalogs that it was read from
}

type schema struct {
	comment   string
	tables    map[string]*Table
	functions map[string][]*Function
}

// Table returns a table or view of a served schema, or nil when there is none.
func (c *Catalog) Table(schema, name string) *Table {
	if s := c.schemas[schema]; s != nil {
		return s.tables[name]
	}
	return nil
}

// Tables lists the tables and views of a served schema by name. Partitions are left out: their rows are their parent's.
func (c *Catalog) Tables(schema string) []*Table {
	var tables []*Table
	if s := c.schemas[schema]; s != nil {
		for _, name := range slices.Sorted(maps.Keys(s.tables)) {
			tables = append(tables, s.tables[name])
		}
	}
	return tables
}

// Functions lists the overloads of a function of a served schema, those with fewer parameters first; nil when there is
// none. Only what can be called over HTTP is here: every parameter has a name, or the only one is json, jsonb, text,
// bytea or xml.
func (c *Catalog) Functions(schema, name string) []*Function {
	if s := c.schemas[schema]; s != nil {
		return s.functions[name]
	}
	return nil
}

// FunctionNames lists the functions of a served schema by name, each once.
func (c *Catalog) FunctionNames(schema string) []string {
	if s := c.schemas[schema]; s != nil {
		return slices.Sorted(maps.Keys(s.functions))
	}
	return nil
}

// SchemaComment is the comment on a served schema, which OpenAPI has for title and description.
func (c *Catalog) SchemaComment(schema string) string {
	if s := c.schemas[schema]; s != nil {
		return s.comment
	}
	return ""
}

// Relations lists every relationship that starts at a table of this Catalog: its foreign keys, those that point to it,
// many-to-many ones, those that views inherit, and computed ones. They may lead to any served schema, and come in the
// order in which PostgREST lists them in its errors. A computed one replaces the others to a table of its name.
func (c *Catalog) Relations(from *Table) []*Relation { return c.relations[from] }

// Customised reports whether any column has a Representation, or any rows a Handler. Few databases have one; in the
// others requests that name columns alone can be planned without a Catalog.
func (c *Catalog) Customised() bool { return c.represented || len(c.handlers) > 0 }

// Handler returns what makes a media type ("text/xml", or "*/*" for whatever is asked) of the rows of t, or of any rows
// when t is nil; nil when there is none.
func (c *Catalog) Handler(t *Table, media string) *Handler {
	for i, h := range c.handlers {
		if h.Media == media && (t == nil && h.of == 0 || t != nil && h.of == t.OID) {
			return &c.handlers[i]
		}
	}
	return nil
}

// Handler is an aggregate that makes a whole answer of rows: its type is a domain that is named after a media type.
type Handler struct {
	Media     string // in lower case
	Aggregate string // as SQL
	Row       string // the type of the rows that it takes, as SQL; "" for any
	of        uint32
}

// Table is a table, view, materialized view, foreign or partitioned table.
type Table struct {
	OID          uint32
	Schema, Name string
	Comment      string
	View         bool // also a materialized one
	Partitioned  bool
	Columns      []*Column // in the order of the table
	Key          []string  // the primary key's columns by name; a view has its table's if it shows all of them

	// What the kind of relation allows, whoever asks.
	Insertable, Updatable, Deletable bool
}

// Column returns a column by name, or nil when there is none.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Column is a column of a table, or of the rows that a function returns (then only Name, Type and Base are set). Its
// types are SQL: they can be written into a statement as they are, with any search_path.
type Column struct {
	Name      string
	Type      string // as declared, with length: "character varying(20)", "app.email"
	Base      string // what it is: without length, and of a domain over a built-in type that type
	Default   string // its expression, also a domain's default and an identity's nextval; "" when there is none
	Comment   string
	Nullable  bool
	Generated bool     // always computed by PostgreSQL: it cannot be written
	Identity  string   // "always", "by default" or ""
	MaxLength int      // of character types; 0 means none
	Enum      []string // the values of an enum, else nil
	Representation
}

// Representation is how the domain of a column wants its values to be on the wire: the functions of the casts that are
// declared for it, which PostgreSQL itself ignores, as SQL. "" stands for none.
type Representation struct {
	ToJSON   string // for answers
	FromJSON string // for the bodies of writes
	FromText string // for the values of filters
}

// Kind says how many rows are at each end of a Relation. Their order is the one of Relations.
type Kind int

// The kinds of relationship, from the table where the Relation starts.
const (
	ToMany     Kind = iota // one-to-many: the other table's foreign key points here
	ToOne                  // many-to-one: the foreign key is here
	OneToOne               // the foreign key, at either end, is unique
	ManyToMany             // through a Junction
)

// Single reports whether at most one row is at the other end.
func (k Kind) Single() bool { return k == ToOne || k == OneToOne }

// Relation is a relationship between the rows of two tables, which may be the same.
type Relation struct {
	Constraint string // the foreign key's name; of a computed relationship the function's; empty for ManyToMany
	From, To   *Table
	Kind       Kind
	Self       bool      // From and To are the same
	Referenced bool      // OneToOne whose foreign key is at To
	Columns    []Pair    // From.A = To.B; nil for ManyToMany and computed ones
	Junction   *Junction // of ManyToMany, else nil
	Computed   *Function // takes a row of From and returns rows of To; nil for the others
}

// Pair is two columns that are equal in related rows.
type Pair struct{ A, B string }

// Junction is the table between the two of a many-to-many relationship: its primary key holds both foreign keys.
type Junction struct {
	Table          *Table
	FromConstraint string // the foreign key that points to From
	ToConstraint   string
	From           []Pair // From.A = Table.B
	To             []Pair // Table.A = To.B
}

// Function is one overload of a function.
type Function struct {
	OID          uint32
	Schema, Name string
	Comment      string
	Params       []Param // the input ones
	Volatile     bool    // it may write
	Set          bool    // it returns any number of rows
	One          bool    // it returns a set that is declared to have one row
	Composite    bool    // it returns rows with named columns, not single values
	Void         bool
	Returns      string    // its type as SQL
	Table        *Table    // the served table whose rows it returns, else nil
	Columns      []*Column // of the rows it returns, when Composite; nil for "record" without column names
	Settings     []string  // what it sets for its run, as "name=value"
}

// HasVariadic reports whether the last parameter takes any number of values.
func (f *Function) HasVariadic() bool { return len(f.Params) > 0 && f.Params[len(f.Params)-1].Variadic }

// Param is an input parameter of a function. Its types are SQL, as a Column's.
type Param struct {
	Name     string // may be empty when it is the only one
	Type     string
	Cast     string // Type, but of any length where the bare name means a length of one: "character varying"
	Required bool   // it has no default
	Variadic bool   // Type is an array's
}
