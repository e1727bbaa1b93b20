package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

const idleTime = time.Second // after a session, before its memory is looked at

// size says how much a client gets to read before its first call, and how much memory a session leaves in use.
func (b *bench) size(ctx context.Context) (err error) {
	s, err := b.open(ctx)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	if _, err := s.call(queryItems()); err != nil {
		return err
	}
	list, err := s.request("tools/list", "{}")
	if err != nil {
		return err
	}
	bytes := len(list) - len(`{"jsonrpc":"2.0","id":3,"result":}`) - 1 // without what is every answer's
	b.report.add(line{what: "tools/list", program: fmt.Sprintf("%.1f KB", float64(bytes)/1024), target: "20 KB"})
	select {
	case <-time.After(idleTime):
		return b.memory("memory when idle", s, "35 MB")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// memory adds what a server has in RAM, on systems that tell it in /proc.
func (b *bench) memory(what string, s *server, target string) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return fmt.Errorf("read the memory of the server: %w", err)
	}
	b.report.add(line{what: what, program: fmt.Sprintf("%.1f MB", kb/1024), target: target})
	return nil
}
