package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Programs take turns, so that whatever else the machine does meets all of them.
const (
	queryTurns = 40 // of queryTurn calls each
	queryTurn  = 50
	inFlight   = 16
	floodTurns = 3
	floodTime  = 1500 * time.Millisecond
	writes     = 300
)

// query compares one call at a time.
func (b *bench) query(ctx context.Context) (err error) {
	t, err := b.three(ctx)
	defer func() { err = errors.Join(err, t.close()) }()
	if err != nil {
		return err
	}
	mcp := func(s *server) func() error {
		return func() error { _, err := s.call(queryItems()); return err }
	}
	var ours, floor, pgx samples
	peers := []struct {
		all  *samples
		once func() error
	}{
		{&ours, mcp(t.program)},
		{&floor, mcp(t.floor)},
		{&pgx, func() error { _, err := t.pgx.query(ctx); return err }},
	}
	for range queryTurns {
		for _, p := range peers {
			for range queryTurn {
				began := time.Now()
				if err := p.once(); err != nil {
					return err
				}
				p.all.since(began)
			}
		}
	}
	for _, percent := range []int{50, 95, 99} {
		l := line{
			what:    "query_table p" + strconv.Itoa(percent),
			program: ms(ours.at(percent)), floor: ms(floor.at(percent)), pgx: ms(pgx.at(percent)),
			ratio: times(ours.at(percent), pgx.at(percent)),
		}
		if percent == 50 {
			l.target = "2.5x pgx"
		}
		b.report.add(l)
	}
	return nil
}

// flood compares how many calls a second are answered when many are in flight.
func (b *bench) flood(ctx context.Context) (err error) {
	t, err := b.three(ctx)
	defer func() { err = errors.Join(err, t.close()) }()
	if err != nil {
		return err
	}
	var ours, floor, pgx []float64
	for range floodTurns {
		v, err := t.program.flood(queryItems(), inFlight, floodTime)
		if err != nil {
			return err
		}
		ours = append(ours, v)
		if v, err = t.floor.flood(queryItems(), inFlight, floodTime); err != nil {
			return err
		}
		floor = append(floor, v)
		if v, err = t.pgx.flood(ctx, inFlight, floodTime); err != nil {
			return err
		}
		pgx = append(pgx, v)
	}
	b.report.add(line{
		what:    "query_table, 16 in flight",
		program: perSecond(median(ours)), floor: perSecond(median(floor)), pgx: perSecond(median(pgx)),
		ratio: times(median(ours), median(pgx)), target: "5600/s",
	})
	return b.memory("memory after that", t.program, "")
}

// write compares an insert that succeeds with one that a policy refuses.
func (b *bench) write(ctx context.Context) (err error) {
	s, err := b.open(ctx)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	insert := func(owner string) call {
		return call{"insert_rows", `{"table":"notes","rows":[{"owner_id":"` + owner + `","body":"A note"}]}`}
	}
	mine, foreign := insert(b.user), insert("somebody-else")
	var written, refused samples
	for range writes {
		began := time.Now()
		if _, err := s.call(mine); err != nil {
			return err
		}
		written.since(began)
		began = time.Now()
		line, err := s.request("tools/call", foreign.params())
		if err != nil {
			return err
		}
		refused.since(began)
		if !isToolError(line) {
			return fmt.Errorf("the policy let %s pass", line)
		}
	}
	b.report.add(line{what: "insert_rows p50", program: ms(written.median())})
	b.report.add(line{
		what: "the same, refused by a policy", program: ms(refused.median()),
		ratio: times(refused.median(), written.median()),
	})
	return nil
}
