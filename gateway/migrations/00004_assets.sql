-- +goose Up
-- The bytes of assets: one row, and one object in the store, per SHA-256. A row is there before its object, and leaves
-- before its object does, for asset_garbage. Whoever changes what refers to what holds the advisory lock of assets.
create table asset_objects (
  sha256     bytea primary key,
  id         bigint not null unique generated always as identity, -- part of the object's name
  size_bytes bigint not null,
  stored     boolean not null default false, -- the object is there
  expires_at timestamptz                     -- when it may be collected; null while an asset refers to it
);
create index on asset_objects (expires_at) where expires_at is not null;

create table assets (
  key          text collate "C" primary key,
  sha256       bytea not null references asset_objects,
  content_type text not null,
  visibility   text not null check (visibility in ('public', 'private')),
  immutable    boolean not null,
  metadata     jsonb,
  image_format text,    -- null for what is no image
  width_px     integer, -- null where the header of an image was not understood
  height_px    integer,
  exif_policy  text,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now()
);
create index on assets (sha256);
create index on assets (created_at, key);

-- What immutable URLs serve: public assets as they were put once.
create table asset_versions (
  key          text collate "C" not null,
  suffix       text not null, -- the first 8 hexadecimal digits of the SHA-256
  sha256       bytea not null references asset_objects,
  content_type text not null,
  created_at   timestamptz not null default now(),
  primary key (key, suffix)
);
create index on asset_versions (sha256);

-- Objects that nothing refers to any more, by name, until they are deleted from the store.
create table asset_garbage (
  name text primary key
);

-- +goose Down
drop table asset_garbage, asset_versions, assets, asset_objects;
