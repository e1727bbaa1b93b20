package assets

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/core/wire"
)

// asset is what PostgreSQL knows of an asset, or of a version of one.
type asset struct {
	key         string
	sum         []byte
	objectID    int64
	size        int64
	contentType string
	visibility  string
	immutable   bool
	metadata    json.RawMessage // nil for none
	image       image
	exifPolicy  *string // nil for what is no image
	createdAt   time.Time
	updatedAt   time.Time
}

func (a *asset) object() string { return objectName(a.sum, a.objectID) }

// suffix is what tells the immutable URL of these bytes from that of others under the same key.
func suffix(sum []byte) string { return hex.EncodeToString(sum[:4]) }

// assetsLock is the advisory lock under which what refers to what changes: one transaction at a time, in all copies of
// the program, so that none of them sees half of another's.
const assetsLock = 402404

func (a *Assets) locked(ctx context.Context, do func(pgx.Tx) error) error {
	pool, err := a.opts.Pool(ctx)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", assetsLock); err != nil {
			return err
		}
		return do(tx)
	})
}

// reserve makes sure that an object has a row, which the collector leaves alone for as long as a put takes. It reports
// whether the store has the object already.
func (a *Assets) reserve(ctx context.Context, sum []byte, size int64) (id int64, stored bool, err error) {
	err = a.locked(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "select id, stored from internal.asset_objects where sha256 = $1 and expires_at is null",
			sum).Scan(&id, &stored)
		if !errors.Is(err, pgx.ErrNoRows) { // an asset refers to it: no row to write, and no more bytes to count
			return err
		}
		err = tx.QueryRow(ctx, `
			insert into internal.asset_objects as o (sha256, size_bytes, expires_at)
			values ($1, $2, now() + $3 * interval '1 microsecond')
			on conflict (sha256) do update set expires_at = greatest(o.expires_at, excluded.expires_at)
			returning id, stored`, sum, size, a.hold.Microseconds()).Scan(&id, &stored)
		if err != nil {
			return err
		}
		return a.withinQuota(ctx, tx, size)
	})
	return id, stored, err
}

// withinQuota refuses when the objects that assets refer to would have more bytes than the project may.
func (a *Assets) withinQuota(ctx context.Context, tx pgx.Tx, more int64) error {
	if a.opts.Quota == 0 {
		return nil
	}
	var used int64
	err := tx.QueryRow(ctx,
		"select coalesce(sum(size_bytes), 0)::bigint from internal.asset_objects where expires_at is null").Scan(&used)
	if err == nil && used+more > a.opts.Quota {
		return refuseQuota(used, a.opts.Quota)
	}
	return err
}

// errCollected says that a put took longer than its object was held for.
var errCollected = errors.New("the object was collected while it was put")

// record gives a kept object its key.
func (a *Assets) record(ctx context.Context, as *asset) error {
	return a.locked(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update internal.asset_objects set stored = true, expires_at = null
			where sha256 = $1 and id = $2`, as.sum, as.objectID)
		if err == nil && tag.RowsAffected() == 0 {
			err = storeError{errCollected}
		}
		if err != nil {
			return err
		}
		var before []byte
		err = tx.QueryRow(ctx, "select sha256 from internal.assets where key = $1", as.key).Scan(&before)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		err = tx.QueryRow(ctx, `
			insert into internal.assets (key, sha256, content_type, visibility, immutable, metadata, image_format, width_px,
				height_px, exif_policy)
			values ($1, $2, $3, $4, $5, $6, nullif($7, ''), nullif($8, 0), nullif($9, 0), $10)
			on conflict (key) do update set sha256 = excluded.sha256, content_type = excluded.content_type,
				visibility = excluded.visibility, immutable = excluded.immutable, metadata = excluded.metadata,
				image_format = excluded.image_format, width_px = excluded.width_px, height_px = excluded.height_px,
				exif_policy = excluded.exif_policy, updated_at = now()
			returning created_at, updated_at`, as.key, as.sum, as.contentType, as.visibility, as.immutable, as.metadata,
			as.image.format, as.image.width, as.image.height, as.exifPolicy).Scan(&as.createdAt, &as.updatedAt)
		if err != nil {
			return err
		}
		if err := recordVersion(ctx, tx, as); err != nil {
			return err
		}
		if err := a.release(ctx, tx, [][]byte{before}); err != nil {
			return err
		}
		return a.withinQuota(ctx, tx, 0)
	})
}

// recordVersion keeps what an immutable URL serves. What is private now has none, if it had one before.
func recordVersion(ctx context.Context, tx pgx.Tx, as *asset) error {
	if as.visibility != public {
		_, err := tx.Exec(ctx, "delete from internal.asset_versions where key = $1 and sha256 = $2", as.key, as.sum)
		return err
	}
	if !as.immutable {
		return nil
	}
	tag, err := tx.Exec(ctx, `
		insert into internal.asset_versions as v (key, suffix, sha256, content_type) values ($1, $2, $3, $4)
		on conflict (key, suffix) do update set content_type = excluded.content_type where v.sha256 = excluded.sha256`,
		as.key, suffix(as.sum), as.sum, as.contentType)
	if err == nil && tag.RowsAffected() == 0 {
		return refuse(http.StatusConflict, "IMMUTABLE_URL_TAKEN", "other bytes under this key have an immutable URL that "+
			"ends in the same 8 digits: put these with immutable false, or under another key")
	}
	return err
}

// release lets the collector have the objects among these that nothing refers to any more, once the grace is over.
func (a *Assets) release(ctx context.Context, tx pgx.Tx, sums [][]byte) error {
	_, err := tx.Exec(ctx, `
		update internal.asset_objects o set expires_at = now() + $2 * interval '1 microsecond'
		where o.sha256 = any($1) and o.expires_at is null
			and not exists (select from internal.assets a where a.sha256 = o.sha256)
			and not exists (select from internal.asset_versions v where v.sha256 = o.sha256)`, sums, a.grace.Microseconds())
	return err
}

// forget deletes an asset with all its versions.
func (a *Assets) forget(ctx context.Context, key string) error {
	if !wire.ValidAssetKey(key) {
		return errNotFound()
	}
	return a.locked(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			with a as (delete from internal.assets where key = $1 returning sha256),
				v as (delete from internal.asset_versions where key = $1 returning sha256)
			select sha256 from a union select sha256 from v`, key)
		if err != nil {
			return err
		}
		sums, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			return err
		}
		if len(sums) == 0 {
			return errNotFound()
		}
		return a.release(ctx, tx, sums)
	})
}

const selectAsset = `select a.key, a.sha256, o.id, o.size_bytes, a.content_type, a.visibility, a.immutable, a.metadata,
	coalesce(a.image_format, ''), coalesce(a.width_px, 0), coalesce(a.height_px, 0), a.exif_policy, a.created_at,
	a.updated_at from internal.assets a join internal.asset_objects o using (sha256) `

func scanAsset(row pgx.CollectableRow) (as asset, err error) {
	err = row.Scan(&as.key, &as.sum, &as.objectID, &as.size, &as.contentType, &as.visibility, &as.immutable, &as.metadata,
		&as.image.format, &as.image.width, &as.image.height, &as.exifPolicy, &as.createdAt, &as.updatedAt)
	return as, err
}

// find returns the asset of a key.
func (a *Assets) find(ctx context.Context, key string) (asset, error) {
	if !wire.ValidAssetKey(key) {
		return asset{}, errNotFound()
	}
	pool, err := a.opts.Pool(ctx)
	if err != nil {
		return asset{}, err
	}
	rows, err := pool.Query(ctx, selectAsset+"where a.key = $1", key)
	if err != nil {
		return asset{}, err
	}
	return foundOne(pgx.CollectExactlyOneRow(rows, scanAsset))
}

// findVersion returns what an immutable URL serves.
func (a *Assets) findVersion(ctx context.Context, key, suffix string) (asset, error) {
	if !wire.ValidAssetKey(key) {
		return asset{}, errNotFound()
	}
	pool, err := a.opts.Pool(ctx)
	if err != nil {
		return asset{}, err
	}
	rows, err := pool.Query(ctx, `select v.sha256, o.id, o.size_bytes, v.content_type, v.created_at
		from internal.asset_versions v join internal.asset_objects o using (sha256) where v.key = $1 and v.suffix = $2`,
		key, suffix)
	if err != nil {
		return asset{}, err
	}
	return foundOne(pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (asset, error) {
		as := asset{key: key, visibility: public, immutable: true}
		err := row.Scan(&as.sum, &as.objectID, &as.size, &as.contentType, &as.updatedAt)
		return as, err
	}))
}

func foundOne(as asset, err error) (asset, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		return asset{}, errNotFound()
	}
	return as, err
}
