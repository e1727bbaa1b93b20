package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// both are the program and the floor, listening; the floor answers with what the program did.
type both struct{ program, floor *site }

func (b *bench) both(ctx context.Context) (t both, err error) {
	if t.program, err = b.listen(ctx, b.program, "serve", "--listen", "127.0.0.1:0"); err != nil {
		return t, err
	}
	first, err := t.program.dial(ctx, "")
	if err != nil {
		return t, err
	}
	defer func() { _ = first.Close() }() // it only read
	header, _, err := first.post("/mcp", helloBody)
	if err != nil {
		return t, err
	}
	first.header += "Mcp-Session-Id: " + header.Get("Mcp-Session-Id") + "\r\n"
	_, answer, err := first.post("/mcp", queryItems().body(1, ""))
	if err != nil {
		return t, err
	}
	text, err := structured(answer)
	if err != nil {
		return t, err
	}
	t.floor, err = b.listen(ctx, b.floor, string(text), "127.0.0.1:0")
	return t, err
}

func (t both) close() error { return errors.Join(t.floor.stop(), t.program.stop()) }

// http compares the program with the floor over each transport that listens.
func (b *bench) http(ctx context.Context) error {
	if err := b.httpStart(ctx); err != nil {
		return err
	}
	for _, way := range talks() {
		if err := b.over(ctx, way); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// httpStart is start over HTTP.
func (b *bench) httpStart(ctx context.Context) error {
	var ours, floor samples
	hello := func(all *samples, program string, args ...string) error {
		began := time.Now()
		s, err := b.listen(ctx, program, args...)
		if err == nil {
			_, err = s.hello(ctx)
		}
		all.since(began)
		return errors.Join(err, s.stop())
	}
	for range starts {
		err := errors.Join(
			hello(&floor, b.floor, "{}", "127.0.0.1:0"),
			hello(&ours, b.program, "serve", "--listen", "127.0.0.1:0"))
		if err != nil {
			return err
		}
	}
	b.report.add(line{
		what: "http, start to initialize", program: ms(ours.median()), floor: ms(floor.median()),
		ratio: times(ours.median(), floor.median()), target: "mcp-go",
	})
	return nil
}

// over compares the program with the floor over one transport: one call at a time, and many at once.
func (b *bench) over(ctx context.Context, way talk) (err error) {
	t, err := b.both(ctx)
	defer func() { err = errors.Join(err, t.close()) }()
	if err != nil {
		return err
	}
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	type side struct {
		calls []func() error
		took  samples
		rates []float64
	}
	ours, floor := &side{}, &side{}
	if ours.calls, err = way.open(ctx, t.program, queryItems(), inFlight); err != nil {
		return err
	}
	if floor.calls, err = way.open(ctx, t.floor, queryItems(), inFlight); err != nil {
		return err
	}
	for range queryTurns {
		for _, s := range []*side{ours, floor} {
			for range queryTurn {
				began := time.Now()
				if err := s.calls[0](); err != nil {
					return err
				}
				s.took.since(began)
			}
		}
	}
	for range floodTurns {
		for _, s := range []*side{ours, floor} {
			rate, err := flood(s.calls, floodTime)
			if err != nil {
				return err
			}
			s.rates = append(s.rates, rate)
		}
	}
	for _, percent := range []int{50, 95, 99} {
		b.report.add(line{
			what:    way.name + " p" + strconv.Itoa(percent),
			program: ms(ours.took.at(percent)), floor: ms(floor.took.at(percent)),
			ratio: times(ours.took.at(percent), floor.took.at(percent)), target: "mcp-go",
		})
	}
	b.report.add(line{
		what:    way.name + ", 16 in flight",
		program: perSecond(median(ours.rates)), floor: perSecond(median(floor.rates)),
		ratio: times(median(ours.rates), median(floor.rates)), target: "mcp-go",
	})
	return nil
}

// flood lets all callers call for as long as it is told, and returns how many calls a second were answered.
func flood(calls []func() error, d time.Duration) (float64, error) {
	var (
		wg       sync.WaitGroup
		answered atomic.Int64
		failed   atomic.Pointer[error]
	)
	began := time.Now()
	for _, once := range calls {
		wg.Go(func() {
			for time.Since(began) < d {
				if err := once(); err != nil {
					failed.Store(&err)
					return
				}
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(answered.Load()) / time.Since(began).Seconds(), nil
}
