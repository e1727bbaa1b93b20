package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// peerConns is how many connections the program gives its signed-in callers; pgx gets as many.
const peerConns = 4

// The two statements of a call, in one batch: who is calling, and the statement that the program makes of queryItems.
// It asks for one row more than the caller did, to know whether there are more.
const (
	claimSQL = `select set_config('request.jwt.claims', $1::text, true), set_config('search_path', $2, true),` +
		` set_config('request.jwt.claim.sub', $1::text::jsonb ->> 'sub', true),` +
		` set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true)`
	itemsSQL = `select row_to_json(q) from (select "items".* from "project"."items" order by "items"."id" limit $1) q`
)

// peer is pgx on the program's own PostgreSQL, as the same login with the same claims: the least that the work costs.
type peer struct {
	pool   *pgxpool.Pool
	claims string
}

// newPeer connects to the PostgreSQL of a local project, which a program must be running.
func newPeer(ctx context.Context, project, claims string) (*peer, error) {
	pid, err := os.ReadFile(filepath.Join(project, "pg", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(pid), "\n") // the fifth is the socket's directory
	if len(lines) < 5 {
		return nil, fmt.Errorf("%s has no running PostgreSQL", project)
	}
	pool, err := pgxpool.New(ctx, fmt.Sprintf(
		"host='%s' user=authenticated dbname=postgres sslmode=disable pool_max_conns=%d", lines[4], peerConns))
	if err != nil {
		return nil, err
	}
	return &peer{pool: pool, claims: claims}, nil
}

// query does once what query_table does: prepared, in one pipelined batch, and reads the rows.
func (p *peer) query(ctx context.Context) (rows []json.RawMessage, err error) {
	var b pgx.Batch
	b.Queue(claimSQL, p.claims, "project, public, auth", "15000", "3000")
	b.Queue(itemsSQL, queryRows+1).Query(func(r pgx.Rows) error {
		for r.Next() {
			rows = append(rows, json.RawMessage(string(r.RawValues()[0])))
		}
		return r.Err()
	})
	err = p.pool.SendBatch(ctx, &b).Close()
	if err == nil && len(rows) != queryRows+1 {
		err = fmt.Errorf("pgx read %d rows", len(rows))
	}
	return rows, err
}

// flood is server.flood.
func (p *peer) flood(ctx context.Context, inFlight int, d time.Duration) (float64, error) {
	var (
		wg     sync.WaitGroup
		calls  atomic.Int64
		failed atomic.Pointer[error]
	)
	began := time.Now()
	for range inFlight {
		wg.Go(func() {
			for time.Since(began) < d {
				if _, err := p.query(ctx); err != nil {
					failed.Store(&err)
					return
				}
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(calls.Load()) / time.Since(began).Seconds(), nil
}

func (p *peer) version(ctx context.Context) (version string, err error) {
	err = p.pool.QueryRow(ctx, "show server_version").Scan(&version)
	return version, err
}
