-- The relations of the schemas $1 that are open: the callers' login or a role that it could become may read or write them, while
-- row level security is off, or runs as the owner of a view.
select pg_catalog.format('%s: %s, and %s may %s it', c.oid::regclass,
  case when c.relkind = 'v' then 'a view runs with its owner''s rights' when c.relkind = 'm' then
    'a materialized view has no row level security' else 'row level security is off' end,
  pg_catalog.string_agg(distinct r.rolname, ', ' order by r.rolname),
  case when pg_catalog.bool_or(pg_catalog.has_table_privilege(r.oid, c.oid, 'insert, update, delete'))
    then 'change' else 'read' end)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles r on pg_catalog.pg_has_role(session_user, r.oid, 'member') and not r.rolsuper
  and r.rolname !~ '^pg_' and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
  and pg_catalog.has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
where n.nspname = any($1) and (c.relkind in ('r', 'p', 'f') and not c.relrowsecurity or c.relkind = 'm' or c.relkind = 'v'
  and not coalesce((select pg_catalog.split_part(o, '=', 2)::boolean
    from pg_catalog.unnest(c.reloptions) o where o like 'security\_invoker=%'), false))
group by c.oid, c.relkind order by 1 limit 50
