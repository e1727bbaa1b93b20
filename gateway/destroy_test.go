package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/run402/functions-mcp/core/wire"
)

const destroysSetup = `drop table if exists destroys, destroys_part cascade;
	create table destroys (id serial primary key, a int default 1, b int, c text check (c <> ''), d int);
	insert into destroys (b) select generate_series(1, 5);
	create index destroys_b on destroys (b);
	alter table destroys enable row level security;
	create policy destroys_all on destroys using (true);
	create view destroys_view with (security_invoker) as select a from destroys;
	create materialized view destroys_sums as select sum(b) from destroys;
	create table destroys_part (id int) partition by range (id);
	create table destroys_part_1 partition of destroys_part for values from (0) to (9);
	create or replace function destroys_inside() returns int language plpgsql as $$
		begin truncate project.destroys; return 1; end $$`

func TestSQLThatDestroysIsRolledBackAndNamed(t *testing.T) {
	for sqlText, want := range map[string]wire.Destruction{
		"drop table destroys cascade": {Destroys: []string{
			"drop table project.destroys", "drop table constraint destroys_c_check on project.destroys",
			"drop view project.destroys_view", "drop materialized view project.destroys_sums",
		}},
		"alter table destroys drop column d":                 {Destroys: []string{"drop table column project.destroys.d"}},
		"alter table destroys drop constraint destroys_pkey": {Destroys: []string{"drop table constraint destroys_pkey on project.destroys"}},
		"drop policy destroys_all on destroys":               {Destroys: []string{"drop policy destroys_all on project.destroys"}},
		"drop function destroys_inside()":                    {Destroys: []string{"drop function project.destroys_inside()"}},
		"do $$ begin drop index destroys_b; end $$":          {Destroys: []string{"drop index project.destroys_b"}},
		"set client_min_messages = error; drop view destroys_view": {Destroys: []string{
			"drop view project.destroys_view",
		}},
		"truncate destroys":                             {Destroys: []string{"truncate project.destroys"}},
		"truncate destroys_part":                        {Destroys: []string{"truncate project.destroys_part_1"}},
		"select destroys_inside()":                      {Destroys: []string{"truncate project.destroys"}},
		"do $$ begin truncate project.destroys; end $$": {Destroys: []string{"truncate project.destroys"}},
		"drop index destroys_b; truncate destroys": {
			Destroys: []string{"drop index project.destroys_b", "truncate project.destroys"},
		},
		"truncate destroys; alter table destroys alter d type bigint": {Destroys: []string{"truncate project.destroys"}},
		"do $$ begin truncate destroys; alter table destroys alter d type bigint; end $$": {
			Destroys: []string{"truncate project.destroys"},
		},
		"alter table destroys alter d type bigint; truncate destroys": {Destroys: []string{"truncate project.destroys"}},
		"do $$ begin raise notice using errcode = 'R4023', message = 'project.destroys'::regclass::oid; truncate project.destroys; end $$": {
			Destroys: []string{"truncate project.destroys"},
		},
		"drop table destroys cascade; create table destroys (id int)": {Destroys: []string{
			"drop table project.destroys", "drop table constraint destroys_c_check on project.destroys",
			"drop view project.destroys_view", "drop materialized view project.destroys_sums",
		}},
		// To ask in vain is better than not to ask.
		"do $$ begin drop index project.destroys_b; raise 'undone'; exception when others then null; end $$": {
			Destroys: []string{"drop index project.destroys_b"},
		},
	} {
		t.Run(sqlText, func(t *testing.T) {
			sql(t, destroysSetup)
			a := trySQL(t, map[string]any{"sql": sqlText, "destroy": wire.DestroyNothing, "max_rows": 100})
			var e struct {
				Code    string
				Message string
				State   string `json:"mutation_state"`
				Details wire.Destruction
			}
			if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != http.StatusBadRequest || e.Code != "DESTRUCTIVE_SQL" ||
				e.State != "rolled_back" || !strings.Contains(e.Message, want.Destroys[0]) {
				t.Fatalf("%d %s", a.status, a.body)
			}
			want.Digest = e.Details.Digest
			if diff := cmp.Diff(want, e.Details); diff != "" {
				t.Error(diff)
			}
			left := sql(t, `select (select count(*)::int from destroys) + (select count(*)::int from destroys_view) as n,
				to_regclass('destroys_b') is not null and to_regclass('destroys_sums') is not null as kept`)
			if !strings.Contains(left.body, `{"n":10,"kept":true}`) {
				t.Fatalf("it left something undone: %s", left.body)
			}
			other := map[string]any{"sql": "drop table destroys_part; " + sqlText, "destroy": e.Details.Digest, "max_rows": 100}
			if a := trySQL(t, other); a.status == http.StatusOK {
				t.Errorf("a digest allowed more than it stands for: %s", a.body)
			}
			if a := trySQL(t, map[string]any{"sql": sqlText, "destroy": e.Details.Digest, "max_rows": 100}); a.status != http.StatusOK {
				t.Errorf("what was allowed is refused: %d %s", a.status, a.body)
			}
		})
	}
}

func TestSQLThatOnlyChangesTheSchemaDestroysNothing(t *testing.T) {
	for _, text := range []string{
		"create temp table gone (id int); drop table gone",
		"alter table destroys alter a drop default, alter a set not null",
		"alter table destroys alter d type bigint",
		"alter table destroys add column e uuid default gen_random_uuid()",
		"create or replace view destroys_view with (security_invoker) as select a, b from destroys",
		"create table destroys_new (id int); truncate destroys_new; insert into destroys_new values (1)",
		"refresh materialized view destroys_sums",
		"drop table if exists destroys_none",
		"create index on destroys (c); reindex table destroys",
		"update destroys set b = b + 1; analyze destroys",
	} {
		t.Run(text, func(t *testing.T) {
			sql(t, destroysSetup+"; drop table if exists destroys_new")
			a := trySQL(t, map[string]any{"sql": text, "destroy": wire.DestroyNothing, "max_rows": 100})
			if a.status != http.StatusOK {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestADestructionListsNoMoreThanFifty(t *testing.T) {
	var create, drop []string
	for i := range 60 {
		name := fmt.Sprintf("destroys_many_%d", i)
		create, drop = append(create, "create table "+name+" (id int)"), append(drop, "drop table "+name)
	}
	sql(t, strings.Join(create, ";"))
	defer sql(t, strings.Join(drop, ";"))
	a := trySQL(t, map[string]any{"sql": strings.Join(drop, ";"), "destroy": wire.DestroyNothing})
	var e struct{ Details wire.Destruction }
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || len(e.Details.Destroys) != 50 || e.Details.More != 10 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
