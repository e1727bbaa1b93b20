package catalog

// The statements that a Catalog is read by. $1 is the served schemas, $2 those whose views may lie between a served
// view and its tables. They run with an empty search_path, so that every name and type which PostgreSQL spells is
// qualified. What needs rules is decided in Go: these scan the system catalogs as few times as can be, without a join
// that grows.
const (
	// The rows of the system catalogs that the others read, as they are now: a row that is changed gets another xmin and
	// place. The built-in ones, which have lower numbers, and those of temporary tables are left out.
	fingerprintSQL = `with temporary (oids) as (
	select coalesce(array_agg(oid), '{}') from pg_class where relpersistence = 't'
)
select string_agg(concat_ws(':', name, n, at, since), ' ' order by name) from (
	select 'pg_class' as name, count(*) as n, sum(hashtid(ctid)) as at, sum(xmin::text::bigint) as since
		from pg_class where oid >= 16384 and relkind in ('r', 'v', 'm', 'f', 'p', 'c') and relpersistence <> 't'
	union all select 'pg_attribute', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_attribute where attrelid >= 16384 and attnum > 0 and attrelid <> all ((select oids from temporary)::oid[])
	union all select 'pg_attrdef', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_attrdef where adrelid <> all ((select oids from temporary)::oid[])
	union all select 'pg_constraint', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_constraint where oid >= 16384 and conrelid <> all ((select oids from temporary)::oid[])
	union all select 'pg_proc', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_proc where oid >= 16384
	union all select 'pg_type', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_type where oid >= 16384 and typtype in ('d', 'e')
	union all select 'pg_cast', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_cast where oid >= 16384
	union all select 'pg_enum', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_enum
	union all select 'pg_rewrite', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_rewrite where oid >= 16384 and ev_class <> all ((select oids from temporary)::oid[])
	union all select 'pg_description', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_description where objoid >= 16384
	union all select 'pg_namespace', count(*), sum(hashtid(ctid)), sum(xmin::text::bigint)
		from pg_namespace where nspname !~ '^pg_') p`

	schemasSQL = `select n.nspname, coalesce(obj_description(n.oid, 'pg_namespace'), '')
from pg_namespace n where n.nspname = any ($1)`

	// PostgreSQL's bits for what a view or foreign table allows are those of its command types: 1 << CMD_INSERT.
	tablesSQL = `select c.oid, n.nspname, c.relname, c.relkind::text,
	coalesce((select d.description from pg_description d
		where d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0), ''),
	case when c.relkind in ('r', 'p') then 28 when c.relkind = 'm' then 0
		else pg_relation_is_updatable(c.oid, true) end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any ($1) and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition`

	// shown is the relations whose columns are read: the served ones, and the types of rows that served functions return.
	shown = `with recursive domain (oid, base) as (
	select oid, typbasetype from pg_type where typtype = 'd'
	union all select d.oid, t.typbasetype from domain d join pg_type t on t.oid = d.base where t.typtype = 'd'
), shown (oid) as (
	select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = any ($1) and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition
	union select t.typrelid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
	join pg_type t on t.oid = coalesce((select d.base from domain d join pg_type b on b.oid = d.base
		where d.oid = p.prorettype and b.typtype <> 'd'), p.prorettype)
	where n.nspname = any ($1) and t.typrelid <> 0
) `

	// The types of the columns, each once: its name with and without length, what a domain is made of, an enum's values.
	// The true type is the one that a length is of: of a domain the one it was declared over. Of a domain also the
	// functions of its casts to JSON, from JSON and from text.
	typesSQL = shown + `select u.atttypid, u.atttypmod, format_type(u.atttypid, u.atttypmod),
	case when b.typnamespace = 'pg_catalog'::regnamespace then format_type(b.oid, null)
		else format_type(u.atttypid, u.atttypmod) end,
	t.typnotnull, coalesce(pg_get_expr(t.typdefaultbin, 0), ''),
	case when t.typtype = 'd' then t.typbasetype else t.oid end,
	case when t.typtype = 'd' then t.typtypmod else u.atttypmod end,
	array(select e.enumlabel::text from pg_enum e where e.enumtypid = b.oid order by e.enumsortorder),
	coalesce((select k.castfunc::regproc::text from pg_cast k where t.typtype = 'd' and k.castcontext = 'i'
		and k.castmethod = 'f' and k.castsource = t.oid and k.casttarget = 'json'::regtype), ''),
	coalesce((select k.castfunc::regproc::text from pg_cast k where t.typtype = 'd' and k.castcontext = 'i'
		and k.castmethod = 'f' and k.castsource = 'json'::regtype and k.casttarget = t.oid), ''),
	coalesce((select k.castfunc::regproc::text from pg_cast k where t.typtype = 'd' and k.castcontext = 'i'
		and k.castmethod = 'f' and k.castsource = 'text'::regtype and k.casttarget = t.oid), '')
from (select distinct a.atttypid, a.atttypmod from shown s join pg_attribute a on a.attrelid = s.oid
	where a.attnum > 0 and not a.attisdropped) u
join pg_type t on t.oid = u.atttypid
join pg_type b on b.oid = coalesce((select d.base from domain d join pg_type x on x.oid = d.base
	where d.oid = t.oid and x.typtype <> 'd'), t.oid)`

	columnsSQL = shown + `select a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull,
	a.attidentity::text, a.attgenerated::text,
	coalesce(case a.attidentity when 'd' then (select format('nextval(%L)', q.objid::regclass) from pg_depend q
		where q.classid = 'pg_class'::regclass and q.refclassid = 'pg_class'::regclass
		and q.refobjid = a.attrelid and q.refobjsubid = a.attnum and q.deptype = 'i' limit 1)
		else pg_get_expr(d.adbin, d.adrelid) end, ''),
	coalesce(o.description, '')
from shown s join pg_attribute a on a.attrelid = s.oid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.attgenerated = ''
left join pg_description o on o.objoid = a.attrelid and o.classoid = 'pg_class'::regclass and o.objsubid = a.attnum
where a.attnum > 0 and not a.attisdropped order by a.attrelid, a.attnum`

	// Keys of every schema: a served view may show the tables of one that is not. A partition's copy of a foreign key is
	// its parent's.
	constraintsSQL = `select contype::text, conname, conrelid, conkey, confrelid, coalesce(confkey, '{}')
from pg_constraint where contype in ('p', 'u', 'f') and (contype <> 'f' or conparentid = 0) and conrelid <> 0
order by conrelid, conname`

	viewsSQL = `select c.oid, r.ev_action::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_rewrite r on r.ev_class = c.oid and r.ev_type = '1'
where c.relkind in ('v', 'm') and (n.nspname = any ($1) or n.nspname = any ($2))`

	functionsSQL = shown + `select p.oid, n.nspname, p.proname,
	coalesce(obj_description(p.oid, 'pg_proc'), ''), p.provolatile = 'v', p.proretset, p.proretset and p.prorows = 1,
	p.prorettype = 'void'::regtype, p.prorettype::regtype::text, t.typrelid, p.pronargdefaults,
	coalesce(p.proconfig, '{}'), coalesce(p.proargnames, '{}'), coalesce(p.proargmodes::text[], '{}'),
	array(select format_type(a.type, null) from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]))
		with ordinality a (type, n) order by a.n),
	case when p.pronargs = 1 then (select x.typrelid from pg_type x where x.oid = p.proargtypes[0]) else 0 end
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
join pg_type t on t.oid = coalesce((select d.base from domain d join pg_type b on b.oid = d.base
	where d.oid = p.prorettype and b.typtype <> 'd'), p.prorettype)
where n.nspname = any ($1) and p.prokind = 'f' and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)`

	handlersSQL = `select lower(m.typname), format('%I.%I', n.nspname, p.proname), r.typrelid,
	case when r.typrelid = 0 then '' else format_type(r.oid, null) end
from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid join pg_namespace n on n.oid = p.pronamespace
join pg_type m on m.oid = p.prorettype join pg_type r on r.oid = p.proargtypes[0]
where n.nspname = any ($1) and p.pronargs = 1 and m.typtype = 'd' and (r.typrelid <> 0 or r.oid = 'anyelement'::regtype)
and (m.typname = '*/*' or m.typname ~* '^[a-z0-9.-]+/[a-z0-9.+-]+$') order by p.oid`
)
