-- +goose Up
-- What the AI helpers did in a month: words translated, texts moderated, images made.
create table ai_usage (
  month      date not null, -- its first day, in UTC
  capability text not null,
  used       bigint not null check (used >= 0),
  primary key (month, capability)
);

-- +goose Down
drop table ai_usage;
