-- What SQL could drop: an identity that outlives a change of name, the identity of what it goes along with, and its name.
-- HOLDS says which schemas count.
select 'n' || oid, '', 'schema ' || oid::regnamespace from pg_namespace where HOLDS
union all
select 'c' || c.oid, '', case relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence '
  when 'f' then 'foreign table ' when 'c' then 'type ' else 'table ' end || c.oid::regclass
from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and HOLDS
union all
select 'a' || attrelid || '.' || attnum, 'c' || attrelid, 'table column ' || attrelid::regclass || '.' || quote_ident(attname)
from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
where relkind in ('r', 'p', 'f') and attnum > 0 and not attisdropped and HOLDS
union all
select 'p' || p.oid, '', 'function ' || p.oid::regprocedure
from pg_proc p join pg_namespace n on n.oid = pronamespace where HOLDS
union all
select 'l' || p.oid, 'c' || polrelid, 'policy ' || quote_ident(polname) || ' on ' || polrelid::regclass from pg_policy p
union all
select 'k' || k.oid, 'c' || conrelid, 'constraint ' || quote_ident(conname) || ' on ' || conrelid::regclass
from pg_constraint k where conrelid <> 0
union all
select 't' || t.oid, 'c' || tgrelid, 'trigger ' || quote_ident(tgname) || ' on ' || tgrelid::regclass
from pg_trigger t where not tgisinternal
union all
select 'y' || t.oid, '', 'type ' || t.oid::regtype
from pg_type t join pg_namespace n on n.oid = typnamespace where typtype in ('e', 'd', 'r') and HOLDS
