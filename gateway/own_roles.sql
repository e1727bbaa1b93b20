-- What a role ($1) may do and has of its own. A parameter of an extension or of nobody has a dot in its name. Those that the
-- gateway sets itself are left out, and so are those that the login may not set: GRANTED is what PostgreSQL 15 asks for
-- those of superusers. A timeout is a number of milliseconds or has a unit.
with own as (
  select pg_catalog.split_part(s, '=', 1) as name, pg_catalog.substr(s, pg_catalog.strpos(s, '=') + 1) as value
  from pg_catalog.pg_roles r join pg_catalog.pg_db_role_setting d on d.setrole = r.oid and d.setdatabase = 0
  cross join pg_catalog.unnest(d.setconfig) s where r.rolname = $1)
select true, r.rolsuper or r.rolbypassrls,
  coalesce((select pg_catalog.json_object_agg(o.name, o.value)::text from own o
    left join pg_catalog.pg_settings p on p.name = o.name
    where (p.context = 'user' or o.name like '%.%' or GRANTED) and o.name <> all ('{search_path,statement_timeout,lock_timeout,
      role,session_authorization,transaction_read_only,default_transaction_read_only,default_transaction_isolation}')), ''),
  coalesce((select case when value ~ '^[0-9]+$' then value::float8
    else extract(epoch from value::interval)::float8 * 1000 end from own where name = 'statement_timeout'), 0),
  coalesce((select value from own where name = 'default_transaction_isolation'), '')
from pg_catalog.pg_roles r where r.rolname = $1
