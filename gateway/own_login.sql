-- Why the login that asks is no wall before row level security: what it is itself, what it could become or has the
-- rights of, and by which way. $1 are the schemas that are served. Only pg_catalog is in the search_path.
with recursive could as (
  select oid, rolname::text as way, oid as via, 0 as steps, array[oid] as seen
  from pg_roles where rolname = session_user
  union all
  -- A membership counts whatever its options: who inherits has the rights, and who administers can grant itself the rest.
  select r.oid, could.way || ' -> ' || r.rolname, could.oid, could.steps + 1, could.seen || r.oid
  from could join pg_auth_members m on m.member = could.oid join pg_roles r on r.oid = m.roleid
  where not r.oid = any(could.seen) and could.steps < 16
), nearest as (
  select distinct on (could.oid) could.*, r.rolname, quote_ident(r.rolname) as role, v.rolname as before
  from could join pg_roles r on r.oid = could.oid join pg_roles v on v.oid = could.via
  order by could.oid, could.steps, could.way
), attribute as (
  select n.*, what, off
  from nearest n join pg_roles r on r.oid = n.oid
  cross join lateral (values
    (r.rolsuper, 'is a superuser', 'nosuperuser'),
    (r.rolbypassrls, 'bypasses row level security', 'nobypassrls'),
    (r.rolcreaterole, 'can create roles, and make itself a member of others', 'nocreaterole'),
    (r.rolreplication, 'can read every table by replication', 'noreplication'),
    (r.rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files'),
     'reaches into the server, past every policy', null)
  ) a (has, what, off)
  where has
)
select format('%s: %s %s', way, rolname, what) as reason,
  case when steps = 0 then format('alter role %s %s', role, off)
       else format('revoke %s from %I', role, before) end as mend
from attribute
union all
select format('%s: %s owns %s, whose policies do not hold for its owner', way, rolname, c.oid::regclass),
  format('alter table %s force row level security', c.oid::regclass)
from nearest join pg_class c on c.relowner = nearest.oid join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relrowsecurity and not c.relforcerowsecurity and n.nspname = any($1)
  and not exists (select from attribute a where a.oid = nearest.oid)
order by 1
limit 20
