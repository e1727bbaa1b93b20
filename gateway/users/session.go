package users

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// database is what runs one statement after another, or all of a transaction.
type database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// session is what a sign-in answers, contract section 5.
type session struct {
	AccessToken  string  `json:"access_token"`
	RefreshToken string  `json:"refresh_token"`
	TokenType    string  `json:"token_type"`
	ExpiresIn    int     `json:"expires_in"` // seconds
	User         profile `json:"user"`
}

// begun is a session in the database, with the refresh token that was just made for it.
type begun struct {
	account account
	id      string
	since   time.Time
	refresh string
}

func (u *Users) session(b begun) (session, error) {
	access, err := u.access(accessClaims{
		subject: b.account.id, role: role(b.account.admin), email: b.account.email,
		sessionID: b.id, signedIn: b.since,
	})
	return session{
		AccessToken: access, RefreshToken: b.refresh, TokenType: "bearer", ExpiresIn: int(AccessLife.Seconds()),
		User: b.account.profile(),
	}, err
}

func newRefreshToken() (token string, hash []byte) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails, see crypto/rand
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	return token, hashToken(token)
}

// hashToken needs no salt: what it hashes cannot be guessed.
func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// begin begins a session of an account, if the password that was checked is still its own, and clears away what has
// expired.
func begin(ctx context.Context, db database, a account) (begun, error) {
	b := begun{account: a, id: newUUID()}
	token, hash := newRefreshToken()
	b.refresh = token
	var batch pgx.Batch
	batch.Queue(`
		with account as (
			select id from internal.users where id = $1 and password_hash is not distinct from $2 for update
		), session as (
			insert into internal.sessions (id, user_id, expires_at) select $3, id, now() + $4 from account
			returning id, created_at, expires_at
		), token as (
			insert into internal.refresh_tokens (hash, session_id, expires_at) select $5, id, expires_at from session
		)
		select created_at from session`, a.id, a.passwordHash, b.id, RefreshLife, hash,
	).QueryRow(func(row pgx.Row) error { return row.Scan(&b.since) })
	// Last, and skipping what others hold, so that no two wait for each other.
	batch.Queue(`delete from internal.sessions where id in (
		select id from internal.sessions where expires_at <= now() for update skip locked)`)
	batch.Queue(`delete from internal.tries where key in (
		select key from internal.tries where resets_at <= now() for update skip locked)`)
	err := db.SendBatch(ctx, &batch).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return begun{}, errCredentials()
	}
	return b, err
}

// rotate exchanges a refresh token for the next one. A token that is used again after it was used tells that two have
// it, one of whom is a thief: the whole session ends. Two requests that were under way at the same time are a race of
// one client's own; one of them wins, and the other is refused without harm. How long this request has been under way
// is measured here, and compared by the database's clock.
func rotate(ctx context.Context, db database, token string, arrived time.Time) (begun, error) {
	refused := refuse(http.StatusUnauthorized, "INVALID_REFRESH_TOKEN",
		"the refresh token is not valid any more: sign in again")
	tx, err := db.Begin(ctx)
	if err != nil {
		return begun{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing to do once it was committed
	var (
		b                 begun
		alive, used, race bool
		expires           time.Time
		presented         = hashToken(token)
	)
	err = tx.QueryRow(ctx, `
		select s.id, s.created_at, s.revoked_at is null, t.used_at is not null,
			coalesce(t.used_at >= now() - $2::interval, false), now() + $3::interval,
			u.id, u.email, u.is_admin, u.created_at
		from internal.refresh_tokens t
		join internal.sessions s on s.id = t.session_id
		join internal.users u on u.id = s.user_id
		where t.hash = $1 and t.expires_at > now()
		for update of t, s`, presented, time.Since(arrived), RefreshLife,
	).Scan(&b.id, &b.since, &alive, &used, &race, &expires,
		&b.account.id, &b.account.email, &b.account.admin, &b.account.createdAt)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return begun{}, refused
	case err != nil:
		return begun{}, err
	case used && alive && !race:
		if _, err := tx.Exec(ctx, "update internal.sessions set revoked_at = now() where id = $1", b.id); err != nil {
			return begun{}, err
		}
		if err := tx.Commit(ctx); err != nil {
			return begun{}, err
		}
		return begun{}, refused
	case used || !alive:
		return begun{}, refused
	}
	next, hash := newRefreshToken()
	b.refresh = next
	var batch pgx.Batch
	batch.Queue("update internal.refresh_tokens set used_at = clock_timestamp() where hash = $1", presented)
	batch.Queue("insert into internal.refresh_tokens (hash, session_id, expires_at) values ($1, $2, $3)",
		hash, b.id, expires)
	batch.Queue("update internal.sessions set expires_at = $2 where id = $1", b.id, expires)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return begun{}, err
	}
	return b, tx.Commit(ctx)
}
