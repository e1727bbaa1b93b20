-- Who is calling: for policies and defaults. Bodies are parsed here and now, so no search_path can change their meaning.

create schema if not exists auth;
create or replace function auth.jwt() returns jsonb language sql stable parallel safe
  return nullif(current_setting('request.jwt.claims', true), '')::jsonb;
create or replace function auth.jwt_claim(name text) returns text language sql stable parallel safe
  return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> name);
-- Policies call it for every row that they look at: so the subject of a request is also at hand by itself.
create or replace function auth.uid() returns text language sql stable parallel safe
  return coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                  nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub');
create or replace function auth.role() returns text language sql stable parallel safe
  return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role');
create or replace function auth.project_id() returns text language sql stable parallel safe
  return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'project_id');
