package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	starts      = 25
	newProjects = 7
)

// start compares what a client waits for until the server says hello, on a project that is there but not running. The
// program begins to start PostgreSQL meanwhile.
func (b *bench) start(ctx context.Context) error {
	var floor, hello, answer samples
	for range starts {
		began := time.Now()
		s, err := start(ctx, b.log, b.env(project), b.floor)
		if err == nil {
			err = s.initialize()
		}
		floor.since(began)
		if err := errors.Join(err, s.stop()); err != nil {
			return err
		}
		if err := b.timed(ctx, project, queryItems(), &hello, &answer); err != nil {
			return err
		}
	}
	b.report.add(line{
		what: "start to initialize", program: ms(hello.median()), floor: ms(floor.median()),
		ratio: times(hello.median(), floor.median()), target: "2x mcp-go",
	})
	b.report.add(line{what: "start to first answer", program: ms(answer.median()), target: "250 ms"})
	return nil
}

// first measures the first answer of a project that does not exist yet.
func (b *bench) first(ctx context.Context) error {
	var hello, answer samples
	for i := range newProjects {
		name := "new-" + strconv.Itoa(i)
		err := b.timed(ctx, name, call{"admin_sql", `{"sql":"select 1"}`}, &hello, &answer)
		if err := errors.Join(err, os.RemoveAll(filepath.Join(b.dir, name))); err != nil {
			return err
		}
	}
	b.report.add(line{what: "the same, new project", program: ms(answer.median()), target: "1 s"})
	return nil
}

// timed starts the program, notes when it said hello and when it answered a first call, and stops it.
func (b *bench) timed(ctx context.Context, name string, c call, hello, answer *samples) (err error) {
	began := time.Now()
	s, err := b.serve(ctx, name)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err == nil {
		err = s.initialize()
	}
	if err != nil {
		return err
	}
	hello.since(began)
	s.initialized()
	if _, err := s.call(c); err != nil {
		return err
	}
	answer.since(began)
	return nil
}
