-- +goose Up
create table mailboxes (
  id            text primary key, -- mbx_…
  slug          text not null,
  status        text not null default 'active', -- active, suspended or tombstoned
  footer_policy text not null default 'none',
  is_default    boolean not null default false, -- whom mail is from that names no mailbox
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  tombstoned_at timestamptz
);
create unique index on mailboxes (slug) where status <> 'tombstoned';
create unique index on mailboxes (is_default) where is_default;

-- Mail in both directions, and the queue of what is to be sent: who takes a message puts its due_at off, so that another
-- copy of the program takes it when this one dies.
create table messages (
  id                  text primary key, -- msg_…
  mailbox_id          text not null references mailboxes,
  direction           text not null,    -- outbound or inbound
  rfc_message_id      text not null,    -- the Message-ID header, without < and >
  from_address        text not null,
  to_address          text not null,
  subject             text not null,
  body_text           text not null,
  template            text,
  attachments         jsonb not null default '[]', -- [{filename, content_type, size_bytes}]
  in_reply_to         text references messages,
  raw                 bytea,            -- RFC 5322; null once it is sent or failed
  status              text not null,    -- pending, sent, kept, failed, bounced; received
  provider            text not null,
  provider_message_id text,
  error               text,             -- what the provider said last
  attempts            integer not null default 0,
  due_at              timestamptz,      -- when it is next to be tried; null when there is nothing left to do
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  sent_at             timestamptz,
  received_at         timestamptz
);
create index on messages (mailbox_id, created_at, id);
create index on messages (due_at) where due_at is not null;

-- Whom the project sends nothing any more.
create table suppressions (
  address    text primary key, -- in lower case
  reason     text not null,    -- bounce, complaint or manual
  created_at timestamptz not null default now()
);

-- +goose Down
drop table suppressions, messages, mailboxes;
