package ai

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/run402/functions-mcp/core/wire"
	"github.com/run402/functions-mcp/gateway/route"
)

// kind is what is counted.
type kind string

const (
	words       kind = "translation_words"
	moderations kind = "moderations"
	images      kind = "images"
)

// limit is what a month may have of a kind; 0 is no cap.
func (a *AI) limit(k kind) int64 {
	switch k {
	case words:
		return a.opts.Words
	case images:
		return a.opts.Images
	}
	return 0
}

// thisMonth is the first day of the month, for the database to reckon with: all copies of the program agree on it.
const thisMonth = "date_trunc('month', now() at time zone 'utc')::date"

// reserve counts units before they are used, so that calls at the same time cannot exceed the cap together.
func (a *AI) reserve(ctx context.Context, k kind, units int64) error {
	db, err := a.opts.Pool(ctx)
	if err != nil {
		return err
	}
	limit := a.limit(k)
	var used int64
	err = db.QueryRow(ctx, `
		insert into internal.ai_usage as u (month, capability, used)
		select `+thisMonth+`, $1::text, $2::bigint where $3::bigint = 0 or $2 <= $3
		on conflict (month, capability) do update set used = u.used + excluded.used
		where $3 = 0 or u.used + excluded.used <= $3
		returning used`, string(k), units, limit).Scan(&used)
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	counts, _, err := a.counts(ctx)
	if err != nil {
		return err
	}
	return refuseQuota(k, counts[k], limit)
}

// giveBack counts nothing for a call that came to nothing. Where that cannot be noted, the count stays too high.
func (a *AI) giveBack(ctx context.Context, k kind, units int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	db, err := a.opts.Pool(ctx)
	if err == nil {
		// A call that began in the month before gives nothing back to this one beyond what it has.
		_, err = db.Exec(ctx, `update internal.ai_usage set used = greatest(used - $2::bigint, 0)
			where capability = $1 and month = `+thisMonth, string(k), units)
	}
	if err != nil {
		a.opts.Log.ErrorContext(ctx, "a failed AI call is counted all the same", "what", k, "err", err)
	}
}

// counts are those of this month, and when it began.
func (a *AI) counts(ctx context.Context) (map[kind]int64, time.Time, error) {
	db, err := a.opts.Pool(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	rows, err := db.Query(ctx, `select m, coalesce(capability, ''), coalesce(used, 0)
		from (select `+thisMonth+` as m) now left join internal.ai_usage on month = m`)
	if err != nil {
		return nil, time.Time{}, err
	}
	var (
		counts = map[kind]int64{}
		start  time.Time
		k      string
		used   int64
	)
	_, err = pgx.ForEachRow(rows, []any{&start, &k, &used}, func() error {
		counts[kind(k)] = used
		return nil
	})
	return counts, start, err
}

// usage serves GET /ai/v1/usage.
func (a *AI) usage(w http.ResponseWriter, r *http.Request) error {
	counts, start, err := a.counts(r.Context())
	if err != nil {
		return err
	}
	out := wire.AIUsageReport{Moderations: counts[moderations], Providers: a.Providers()}
	out.Translation = wire.TranslationUsage{
		Active: a.opts.Translator != nil, UsedWords: counts[words],
		BillingCycleStart: start.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	out.Translation.IncludedWords, out.Translation.RemainingWords = remaining(a.opts.Words, counts[words])
	out.Images = wire.ImageUsage{Active: a.opts.Painter != nil, Used: counts[images]}
	out.Images.Included, out.Images.Remaining = remaining(a.opts.Images, counts[images])
	return route.Answer(w, http.StatusOK, out)
}

func remaining(limit, used int64) (included, left *int64) {
	if limit == 0 {
		return nil, nil
	}
	rest := max(0, limit-used)
	return &limit, &rest
}
