-- +goose Up
create table users (
  id            uuid primary key,
  email         text not null unique, -- normalised: lower case
  password_hash text,                 -- argon2id; null for one whom an admin made
  is_admin      boolean not null default false,
  created_at    timestamptz not null default now()
);

-- A session is a family of refresh tokens: it begins with a sign-in, and each token is the child of the one before.
create table sessions (
  id         uuid primary key,
  user_id    uuid not null references users on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null, -- of its youngest token
  revoked_at timestamptz
);
create index on sessions (user_id);
create index on sessions (expires_at);

create table refresh_tokens (
  hash       bytea primary key, -- SHA-256: what lies here opens nothing
  session_id uuid not null references sessions on delete cascade,
  expires_at timestamptz not null,
  used_at    timestamptz
);
create index on refresh_tokens (session_id);

-- Tries at passwords, by e-mail address and by network address, hashed; gone once they no longer count.
create table tries (
  key       bytea primary key,
  count     integer not null,
  resets_at timestamptz not null
);
create index on tries (resets_at);

-- +goose Down
drop table tries, refresh_tokens, sessions, users;
