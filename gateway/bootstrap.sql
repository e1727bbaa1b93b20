-- What a local project's PostgreSQL is made of: one login per kind of work, none of which can become another, the
-- schema the project owns, and the rule that says which of its tables callers can reach. Run as the superuser in one
-- transaction, by whoever starts first and whenever this file changed: every statement can be repeated.

-- They run as whoever runs DDL, and that must not be the superuser over what a project made; they come back at the end.
drop event trigger if exists expose;
drop event trigger if exists expose_function;
drop event trigger if exists withhold;
drop event trigger if exists name_drop;
drop event trigger if exists name_rewrite;
drop event trigger if exists announce;

-- Logins -------------------------------------------------------------------------------------------------------------

do $$
declare
  login text;
begin
  foreach login in array array['anon', 'authenticated', 'project_admin', 'service_role', 'owner', 'reader', 'gateway'] loop
    if not exists (select from pg_roles where rolname = login) then
      execute format('create role %I login noinherit nocreatedb nocreaterole noreplication nobypassrls', login);
    end if;
    execute format('alter role %I set search_path = project, public, auth', login);
  end loop;
  -- Nobody can log in as it or become it: a grant to it marks a table that callers were given their defaults on.
  if not exists (select from pg_roles where rolname = 'exposed') then
    create role exposed nologin;
  end if;
end $$;

alter role service_role bypassrls;
alter role owner bypassrls;
alter role reader bypassrls;
alter role reader set default_transaction_read_only = on;
alter role gateway set search_path = '';

-- A project_admin is an authenticated user with another name: policies for authenticated hold for it too.
alter role project_admin inherit;
do $$
begin
  if current_setting('server_version_num')::int >= 160000 then
    execute 'grant authenticated to project_admin with inherit true, set false';
  else
    grant authenticated to project_admin;
  end if;
end $$;

revoke all on database postgres, template1 from public;
grant connect on database postgres to anon, authenticated, project_admin, service_role, owner, reader, gateway;
grant temporary on database postgres to owner;
revoke create on schema public from public;

-- Built-in functions that write, or reach into other sessions, and that PUBLIC may otherwise call.
do $$
declare
  f regprocedure;
begin
  for f in
    select p.oid from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace
      and (p.proname like 'lo\_%' or p.proname in ('lowrite', 'loread', 'pg_terminate_backend', 'pg_cancel_backend',
                                                   'pg_logical_emit_message'))
  loop
    execute format('revoke execute on function %s from public', f);
  end loop;
end $$;

-- Schemas ------------------------------------------------------------------------------------------------------------

-- The project's tables are the owner's; the schema itself is not, so that nothing can drop or rename it.
create schema if not exists project;
grant create, usage on schema project to owner;
grant usage on schema project to anon, authenticated, project_admin, service_role, reader;

create schema if not exists internal authorization gateway;

-- Globally, since the default that lets PUBLIC execute cannot be taken back for one schema alone.
alter default privileges for role owner revoke execute on functions from public;
alter default privileges for role owner grant execute on functions to service_role;
alter default privileges for role owner grant select, insert, update, delete on tables to service_role;
alter default privileges for role owner grant usage, select on sequences to service_role;
alter default privileges for role owner grant select on tables to reader;
alter default privileges for role owner grant select on sequences to reader;

-- auth.sql goes here.
grant usage on schema auth to anon, authenticated, project_admin, service_role, owner, reader, gateway;

-- Light and dark -----------------------------------------------------------------------------------------------------

-- dark_because says why callers cannot reach a table or view, with the statement that opens it; null when they can.
create or replace function auth.dark_because(relation oid) returns text language sql stable parallel safe
  begin atomic
    select case
      when c.relkind in ('r', 'p') and not c.relrowsecurity then
        format('row level security is off, so callers cannot reach it; to open it: alter table %s enable row level security, then create policies', c.oid::regclass)
      when c.relkind = 'v' and not coalesce(
          (select split_part(o, '=', 2)::boolean from unnest(c.reloptions) o where o like 'security\_invoker=%'), false) then
        format('a view runs with its owner''s rights, so callers cannot reach it; to open it: alter view %s set (security_invoker = true)', c.oid::regclass)
      when c.relkind = 'm' then 'a materialized view has no row level security, so callers cannot reach it; read it through a table or an rpc function'
      when c.relkind = 'f' then 'a foreign table has no row level security, so callers cannot reach it'
    end
    from pg_catalog.pg_class c where c.oid = relation;
  end;

-- closed_because is the same for a function.
create or replace function auth.closed_because(fn oid) returns text language sql stable parallel safe
  begin atomic
    select format('callers cannot call it, nor pass a policy that does; to open it: grant execute on function %s to authenticated', p.oid::regprocedure)
    from pg_catalog.pg_proc p
    where p.oid = fn and not exists (
      select from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
      where a.grantee = 0 or a.grantee::regrole::text in ('anon', 'authenticated', 'project_admin'));
  end;

-- expose keeps that true after every DDL, as the one who ran it: a relation that became reachable is granted its
-- defaults once (later REVOKEs stay), a dark one loses what any caller was granted, by whichever way. What it touched it
-- names in a notice of its own class, so that the route that ran the DDL can say what is dark at its end.
create or replace function auth.expose() returns event_trigger language plpgsql set search_path = '' as $$
declare
  rel record;
  other record;
begin
  for rel in
    select c.oid, c.oid::regclass as name, auth.dark_because(c.oid) is not null as dark,
           exists (select from pg_catalog.aclexplode(c.relacl) a where a.grantee = 'exposed'::regrole) as exposed
    from pg_catalog.pg_class c
    where c.relnamespace = 'project'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and (c.oid in (select d.objid from pg_catalog.pg_event_trigger_ddl_commands() d
                     where d.classid = 'pg_catalog.pg_class'::regclass)
           or tg_tag = 'GRANT')
  loop
    if rel.dark then
      for other in
        select distinct case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as name
        from pg_catalog.pg_class c
        cross join lateral (
          select grantee from pg_catalog.aclexplode(c.relacl)
          union all
          select col.grantee from pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) col where t.attrelid = c.oid
        ) a
        where c.oid = rel.oid and a.grantee not in (c.relowner, 'service_role'::regrole, 'reader'::regrole)
      loop
        execute format('revoke all on %s from %s', rel.name, other.name);
        raise notice using errcode = 'R4020', message = rel.oid::text;
      end loop;
      if tg_tag <> 'GRANT' then
        raise notice using errcode = 'R4020', message = rel.oid::text;
      end if;
      continue;
    end if;

    if not rel.exposed and tg_tag <> 'GRANT' then
      execute format('grant select on %s to anon, authenticated, exposed', rel.name);
      execute format('grant insert, update, delete on %s to authenticated', rel.name);
    end if;
    -- A serial column draws from a sequence of its own, which the table's grant does not cover.
    for other in
      select s.oid::regclass as name from pg_catalog.pg_depend dep join pg_catalog.pg_class s on s.oid = dep.objid
      where dep.refobjid = rel.oid and dep.refclassid = 'pg_catalog.pg_class'::regclass and dep.deptype = 'a'
        -- Indexes depend in the same way, and the privilege of one must not be asked for: so case, not and.
        and case when s.relkind = 'S' then not pg_catalog.has_sequence_privilege('authenticated', s.oid, 'USAGE') end
    loop
      execute format('grant usage on sequence %s to anon, authenticated', other.name);
    end loop;
  end loop;
end $$;

-- withhold keeps the owner's default privileges from giving callers tables: EXPLAIN ANALYZE CREATE TABLE AS makes one
-- that no event trigger hears of.
create or replace function auth.withhold() returns event_trigger language plpgsql set search_path = '' as $$
declare
  given record;
begin
  for given in
    select distinct n.nspname, case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee
    from pg_catalog.pg_default_acl d
    left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace
    cross join lateral pg_catalog.aclexplode(d.defaclacl) a
    where d.defaclobjtype = 'r' and d.defaclrole = current_user::regrole
      and a.grantee not in (d.defaclrole, 'service_role'::regrole, 'reader'::regrole)
  loop
    execute 'alter default privileges ' || coalesce('in schema ' || quote_ident(given.nspname) || ' ', '')
      || 'revoke all on tables from ' || given.grantee;
  end loop;
end $$;

-- expose_function lets the read-only login call what only computes, so that views which do can be read.
create or replace function auth.expose_function() returns event_trigger language plpgsql set search_path = '' as $$
declare
  fn record;
begin
  for fn in
    select p.oid, p.oid::regprocedure as name, not p.prosecdef and p.provolatile in ('i', 's') as computes
    from pg_catalog.pg_event_trigger_ddl_commands() d join pg_catalog.pg_proc p on p.oid = d.objid
    where d.classid = 'pg_catalog.pg_proc'::regclass and p.pronamespace = 'project'::regnamespace
  loop
    if fn.computes then
      execute format('grant execute on routine %s to reader', fn.name);
    else
      execute format('revoke execute on routine %s from reader', fn.name);
    end if;
    raise notice using errcode = 'R4021', message = fn.oid::text;
  end loop;
end $$;

-- Destruction --------------------------------------------------------------------------------------------------------

-- What SQL drops or rewrites it names in notices of classes of their own, whatever it set client_min_messages to, so
-- that the route that ran it can undo it and ask first. What only goes along (types, toast, sequences, rules of a view)
-- is not worth a name, nor is a default.
create or replace function auth.name_drop() returns event_trigger language plpgsql
  set search_path = '' set client_min_messages = notice as $$
declare
  gone record;
begin
  for gone in
    select d.object_type || ' ' || d.object_identity as name from pg_catalog.pg_event_trigger_dropped_objects() d
    where (d.original or d.normal) and not d.is_temporary and d.object_type not in ('default value', 'rule')
  loop
    raise notice using errcode = 'R4022', message = gone.name;
  end loop;
end $$;

create or replace function auth.name_rewrite() returns event_trigger language plpgsql
  set search_path = '' set client_min_messages = notice as $$
begin
  raise notice using errcode = 'R4023', message = pg_catalog.pg_event_trigger_table_rewrite_oid()::text;
end $$;

-- announce tells whoever listens that the schema may have changed: every program that serves it keeps a copy.
create or replace function auth.announce() returns event_trigger language plpgsql set search_path = '' as $$
begin
  notify pgrst, 'reload schema';
end $$;

drop function if exists auth.one_transaction(); -- of versions before

revoke execute on all functions in schema auth from public;
grant execute on function auth.jwt(), auth.jwt_claim(text), auth.uid(), auth.role(), auth.project_id()
  to anon, authenticated, project_admin, service_role, owner, reader;
grant execute on function auth.dark_because(oid), auth.closed_because(oid), auth.expose(), auth.expose_function(),
  auth.withhold() to owner;
grant execute on function auth.dark_because(oid) to reader, gateway; -- the gateway's own DDL passes the event trigger too

create event trigger expose on ddl_command_end
  when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE VIEW', 'ALTER VIEW',
               'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
               'GRANT')
  execute function auth.expose();
create event trigger withhold on ddl_command_end when tag in ('ALTER DEFAULT PRIVILEGES')
  execute function auth.withhold();
create event trigger expose_function on ddl_command_end
  when tag in ('CREATE FUNCTION', 'ALTER FUNCTION', 'CREATE PROCEDURE', 'ALTER PROCEDURE')
  execute function auth.expose_function();
create event trigger name_drop on sql_drop execute function auth.name_drop();
create event trigger name_rewrite on table_rewrite execute function auth.name_rewrite();
create event trigger announce on ddl_command_end execute function auth.announce();
