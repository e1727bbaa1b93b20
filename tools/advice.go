package tools

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/core"
)

// explain adds to a backend's failure what this caller can do about it. Names that it lists are those that the plane
// shows; tools that it names are those that are enabled.
func (s *Set) explain(ctx context.Context, t *tool, table string, f *failure) {
	if t.plane == planeNone {
		return
	}
	who, err := s.o.Callers(ctx)
	if err != nil {
		return
	}
	switch t.toolset {
	case ToolsetFunctions:
		explainFunction(who.Anonymous(), f)
		return
	case ToolsetAssets:
		s.explainAsset(f)
		return
	case ToolsetEmail:
		s.explainEmail(f)
		return
	case ToolsetAI:
		explainAI(f)
		return
	}
	switch f.state() {
	case "42703", "PGRST204":
		s.explainColumn(ctx, t, who, table, f)
	case "42P01", "PGRST205":
		s.explainTable(ctx, t, who, table, f)
	case "42501":
		s.explainDenied(t, who, f)
	case "25006":
		f.NextStep = s.onlyReads(t)
	case "PGRST124", core.CodeMaxAffected, "MAX_ROWS_EXCEEDED":
		f.NextStep = "Nothing was changed. Touch fewer rows."
		if s.o.Confirm == ConfirmOff {
			f.NextStep = "Nothing was changed. Touch fewer rows, or raise max_rows if so many are meant."
		}
	case "428C9":
		f.NextStep = "Leave that column out: the database fills it."
	case "AUTHENTICATION_REQUIRED", "UNAUTHORIZED", "PGRST301", "PGRST302":
		if t.plane == planeAdmin {
			f.advise("The service key was refused: the operator has to set the project's current one.")
		} else if who.Anonymous() {
			f.advise("The anon key was refused: the operator has to set the project's current one.")
		} else {
			f.advise("The caller's token was refused: sign in again.")
		}
	default:
		f.advise(valueAdvice(f))
	}
}

// state is the SQLSTATE or PGRST code behind a failure, where there is one. Raw SQL carries it in the details.
func (f *failure) state() string {
	var d struct {
		SQLState string `json:"sqlstate"`
	}
	if json.Unmarshal([]byte(f.Details), &d) == nil && d.SQLState != "" {
		return d.SQLState
	}
	return f.Code
}

// advise puts our next step before the backend's hint.
func (f *failure) advise(next string) {
	f.NextStep = strings.TrimSpace(next + " " + f.NextStep)
}

// suggest lists the valid names, as far as a reader has use for them, and the nearest. What the backend said about it
// says no more.
func (f *failure) suggest(wrong string, valid []string) {
	const most = 60
	if len(valid) > 0 {
		f.Details, f.NextStep = "", ""
	}
	f.DidYouMean = nearest(wrong, valid)
	f.Valid = valid
	if len(valid) > most {
		f.Valid = valid[:most]
	}
}

// What PostgreSQL and PostgREST say, in their words.
var (
	missingColumn = regexp.MustCompile(
		`column "?([^" ]+)"?(?: of relation "([^"]+)")? does not exist|the '([^']+)' column`)
	missingTable = regexp.MustCompile(`relation "([^"]+)" does not exist|table '([^']+)'`)
	keyColumns   = regexp.MustCompile(`^Key \((.+?)\)=`)
	nullColumn   = regexp.MustCompile(`column "([^"]+)"`)
)

func (s *Set) explainColumn(ctx context.Context, t *tool, who auth.Caller, table string, f *failure) {
	wrong := firstGroup(missingColumn, f.Message, 1, 3)
	if m := missingColumn.FindStringSubmatch(f.Message); table == "" && m != nil {
		table = m[2]
	}
	if i := strings.LastIndexByte(wrong, '.'); i >= 0 {
		wrong = wrong[i+1:]
	}
	for _, r := range s.relations(ctx, t, who) {
		if r.name == table {
			f.suggest(wrong, r.columns)
		}
	}
	if f.Valid == nil {
		f.advise(s.see(t, "shows the columns."))
	}
}

func (s *Set) explainTable(ctx context.Context, t *tool, who auth.Caller, table string, f *failure) {
	all := s.relations(ctx, t, who)
	wrong := firstGroup(missingTable, f.Message, 1, 2)
	if i := strings.LastIndexByte(wrong, '.'); i >= 0 {
		wrong = wrong[i+1:]
	}
	if wrong == "" {
		wrong = table
	}
	f.suggest(wrong, namesOf(all))
	if len(all) == 0 && t.plane == planeCaller {
		f.advise(s.noTables(auth.WithCaller(ctx, who)))
	}
}

// relations lists what the tool's plane shows; nothing when even that fails, since it only helps to explain.
func (s *Set) relations(ctx context.Context, t *tool, who auth.Caller) []relation {
	if t.plane == planeAdmin {
		schema, err := s.o.Client.Admin().Schema(ctx)
		if err != nil {
			return nil
		}
		return adminRelations(schema)
	}
	all, err := s.o.Client.DB(who.Token).Tables(ctx)
	if err != nil {
		return nil
	}
	return callerRelations(all)
}

func (s *Set) explainDenied(t *tool, who auth.Caller, f *failure) {
	policy := strings.Contains(f.Message, "row-level security")
	next := ""
	switch {
	case t.name == "admin_sql" && strings.Contains(f.NextStep, "read_only"): // as our gateway says
		f.NextStep = s.onlyReads(t)
		return
	case t.name == "admin_sql":
		f.advise("The project's own rights do not reach so far: roles, schemas and settings belong to the platform.")
		return
	case t.plane == planeAdmin:
		next = "The service role lacks this privilege."
		if s.has("admin_sql") && !s.o.ReadOnly {
			next += " admin_sql can grant it."
		}
		f.advise(next)
		return
	case policy:
		next = "A row level security policy refused this row for role " + roleOf(who) +
			": the row must pass the policies for this verb, and those for reading it back."
	default:
		next = "No grant lets role " + roleOf(who) + " do this."
	}
	switch {
	case who.Anonymous():
		next += " Nobody is signed in: ask the person to sign in (RUN402_USER_TOKEN on stdio, a bearer token on HTTP)."
	case policy && s.has("whoami"):
		next += " Owner columns usually hold the caller's id: see whoami."
	default:
		next += " " + s.see(t, "shows what this caller may do.")
	}
	if admin := "admin_" + t.name; s.has(admin) {
		next += " " + admin + " works as the service role, if the person agrees."
	}
	f.advise(next)
}

// onlyReads says how to write, where that is allowed at all.
func (s *Set) onlyReads(t *tool) string {
	if t.name == "admin_sql" && !s.o.ReadOnly {
		return "Set read_only to false if this is meant to write."
	}
	return "Only reads are allowed here."
}

// valueAdvice is what to do about a value that the database refused.
func valueAdvice(f *failure) string {
	key := firstGroup(keyColumns, f.Details, 1)
	switch f.state() {
	case "23505":
		if key == "" {
			return "Such a row exists already."
		}
		return "A row with this " + key + " exists: use another value, or upsert with on_conflict \"" + key + "\"."
	case "23503":
		if strings.Contains(f.Details, "still referenced") {
			return "Other rows refer to this one: delete or change those first."
		}
		return "Insert the row that " + orElse(key, "the foreign key") + " refers to first, or use a value that exists."
	case "23502":
		return "Give a value for " + orElse(firstGroup(nullColumn, f.Message, 1), "that column") + "."
	case "23514":
		return "The value breaks a check constraint of the table: change it to what the constraint allows."
	case "22P02", "22007", "22008", "22003":
		return "The value does not fit the column's type: write it as PostgreSQL does."
	case "57014":
		return "The statement took too long: add filters, or ask for fewer rows."
	case "PGRST102":
		return "All objects in rows must have the same keys."
	}
	return ""
}

// see names the tool of this plane that describes tables.
func (s *Set) see(t *tool, does string) string {
	name := "describe_tables"
	if t.plane == planeAdmin {
		name = "admin_describe_tables"
	}
	if !s.has(name) {
		return ""
	}
	return name + " " + does
}

func firstGroup(re *regexp.Regexp, text string, groups ...int) string {
	m := re.FindStringSubmatch(text)
	for _, g := range groups {
		if m != nil && m[g] != "" {
			return m[g]
		}
	}
	return ""
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
