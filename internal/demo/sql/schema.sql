-- A help desk: customers open tickets, teams answer them. Who may see and change what is said here, once, and holds for
-- every agent, whatever it asks.

create table members (
  id    uuid primary key,
  email text not null unique,
  name  text not null,
  role  text not null check (role in ('lead', 'agent', 'customer')),
  team  text check ((team is null) = (role = 'customer'))
);

create table tickets (
  id          integer generated always as identity primary key,
  customer_id uuid not null default auth.uid()::uuid references members,
  team        text not null check (team in ('billing', 'web', 'mobile')),
  subject     text not null,
  status      text not null default 'open' check (status in ('open', 'pending', 'solved', 'closed')),
  known_issue boolean not null default false,
  created_at  timestamptz not null default now()
);
comment on column tickets.known_issue is 'Everybody may read it, signed in or not.';

create table messages (
  id         integer generated always as identity primary key,
  ticket_id  integer not null references tickets,
  author_id  uuid not null default auth.uid()::uuid references members,
  body       text not null,
  internal   boolean not null default false,
  created_at timestamptz not null default now()
);
comment on column messages.internal is 'A note within the team; customers never see it.';

-- Row level security stays off here, on purpose: what is not opened is out of callers' reach.
create table audit_log (
  id        integer generated always as identity primary key,
  ticket_id integer not null references tickets,
  actor     text not null,
  action    text not null,
  at        timestamptz not null
);

-- Policies ask for the caller's team. With the owner's rights, since a policy on members that reads members would
-- recurse.
create function my_team() returns text language sql stable security definer set search_path = ''
  return (select m.team from project.members m where m.id = auth.uid()::uuid);
grant execute on function my_team() to anon, authenticated;

-- `(select …)` makes PostgreSQL ask once for a statement, not once for a row.
alter table members enable row level security;
create policy "read oneself" on members for select to authenticated
  using (id = (select auth.uid()::uuid));
create policy "read the team" on members for select to authenticated
  using (team = (select my_team()));

alter table tickets enable row level security;
create policy "everybody reads known issues" on tickets for select
  using (known_issue);
create policy "customers read their own" on tickets for select to authenticated
  using (customer_id = (select auth.uid()::uuid));
create policy "teams read theirs" on tickets for select to authenticated
  using (team = (select my_team()));
create policy "customers open their own" on tickets for insert to authenticated
  with check (customer_id = (select auth.uid()::uuid) and status = 'open' and not known_issue);
create policy "teams update theirs" on tickets for update to authenticated
  using (team = (select my_team()));

alter table messages enable row level security;
create policy "who reads a ticket reads what is not internal" on messages for select
  using (not internal and exists (select from tickets t where t.id = ticket_id));
create policy "teams read all of theirs" on messages for select to authenticated
  using (exists (select from tickets t where t.id = ticket_id and t.team = (select my_team())));
create policy "customers and teams answer in theirs" on messages for insert to authenticated
  with check (
    author_id = (select auth.uid()::uuid)
    and exists (
      select from tickets t
      where t.id = ticket_id
        and (t.team = (select my_team()) or not internal and t.customer_id = (select auth.uid()::uuid))));

create index on tickets (customer_id);
create index on tickets (team);
create index on messages (ticket_id);
