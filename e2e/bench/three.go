package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// three are the programs that answer the same query.
type three struct {
	program, floor *server
	pgx            *peer
}

// three starts all of them and lets each answer once. The floor answers with what the program did.
func (b *bench) three(ctx context.Context) (t three, err error) {
	if t.program, err = b.open(ctx); err != nil {
		return t, err
	}
	line, err := t.program.call(queryItems())
	if err != nil {
		return t, err
	}
	text, err := structured(line)
	if err != nil {
		return t, err
	}
	if t.floor, err = start(ctx, b.log, b.env(project), b.floor, string(text)); err != nil {
		return t, err
	}
	if err := t.floor.initialize(); err != nil {
		return t, err
	}
	if t.pgx, err = newPeer(ctx, filepath.Join(b.dir, project), b.claims); err != nil {
		return t, err
	}
	if b.postgres, err = t.pgx.version(ctx); err != nil {
		return t, err
	}
	rows, err := t.pgx.query(ctx)
	if err != nil {
		return t, err
	}
	return t, sameRows(text, rows)
}

func (t three) close() error {
	if t.pgx != nil {
		t.pgx.pool.Close()
	}
	return errors.Join(t.floor.stop(), t.program.stop())
}

// sameRows makes sure that the program and pgx do the same work.
func sameRows(answer json.RawMessage, peer []json.RawMessage) error {
	var mine struct {
		Rows []json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(answer, &mine); err != nil {
		return err
	}
	if len(mine.Rows) != queryRows || len(peer) != queryRows+1 {
		return fmt.Errorf("the program answered %d rows and pgx %d", len(mine.Rows), len(peer))
	}
	for i, row := range mine.Rows {
		if string(row) != string(peer[i]) {
			return fmt.Errorf("row %d is %s for the program and %s for pgx", i, row, peer[i])
		}
	}
	return nil
}
