-- A wire.Schema of the schema $1: the tables and views with what guards them.
select json_build_object('schema', $1::text, 'tables', coalesce(json_agg(json_strip_nulls(json_build_object(
    'dark', auth.dark_because(c.oid),
    'kind', case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
                           when 'm' then 'materialized view' when 'f' then 'foreign table' end
  ))::jsonb || jsonb_build_object(
    'name', c.relname,
    'rls_enabled', c.relrowsecurity,
    'row_estimate', greatest(c.reltuples, 0)::bigint,
    'columns', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
        'default_value', pg_get_expr(d.adbin, d.adrelid)) order by a.attnum)
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
    'constraints', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', k.conname,
        'type', case k.contype when 'p' then 'PRIMARY KEY' when 'f' then 'FOREIGN KEY' when 'u' then 'UNIQUE'
                               when 'c' then 'CHECK' when 'x' then 'EXCLUDE' end,
        'definition', pg_get_constraintdef(k.oid)) order by k.contype <> 'p', k.conname)
      from pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'f', 'u', 'c', 'x')), '[]'),
    'policies', coalesce((
      select jsonb_agg(jsonb_build_object(
        'name', p.polname,
        'command', case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE'
                                 when 'd' then 'DELETE' else 'ALL' end,
        'roles', (select jsonb_agg(case when r = 0 then 'public' else r::regrole::text end) from unnest(p.polroles) r),
        'using_expression', pg_get_expr(p.polqual, p.polrelid),
        'check_expression', pg_get_expr(p.polwithcheck, p.polrelid)) order by p.polname)
      from pg_policy p where p.polrelid = c.oid), '[]'),
    'grants', coalesce((
      select jsonb_object_agg(g.grantee, g.privileges)
      from (select case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee,
                   jsonb_agg(a.privilege_type order by a.privilege_type) as privileges
            from aclexplode(c.relacl) a where a.grantee <> c.relowner group by 1) g
      where g.grantee not in ('exposed', 'reader')), '{}')
  ) order by c.relname), '[]'))
from pg_class c
where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p', 'v', 'm', 'f')
