-- +goose Up
create table audit (
  id          bigint generated always as identity primary key,
  at          timestamptz not null default now(),
  principal   text not null,
  tool        text not null,
  plane       text not null,
  target      text not null default '',
  outcome     text not null,
  confirmed   text not null default '', -- by elicitation, by token, or not at all
  rows        bigint not null default 0,
  duration_us bigint not null
);
create index on audit (at);

-- +goose Down
drop table audit;
