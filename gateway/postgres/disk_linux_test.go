package postgres_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/run402/functions-mcp/gateway/postgres"
	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

func TestAFullDisk(t *testing.T) {
	disk := pgtest.Dir(t)
	mount := func(flags uintptr, size string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", disk, "tmpfs", flags, "mode=711,size="+size); err != nil {
			t.Skipf("a small disk cannot be mounted: %v", err)
		}
	}
	mount(0, "8m")
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk, "project")

	if _, err := postgres.Open(t.Context(), pgtest.Config(dir)); !errors.Is(err, postgres.ErrDiskFull) {
		t.Fatalf("initdb: got %v, want ErrDiskFull", err)
	}
	if left := unfinished(t, dir); len(left) > 0 {
		t.Errorf("left %v behind", left)
	}

	mount(syscall.MS_REMOUNT, "100m")
	server, err := postgres.Open(t.Context(), pgtest.Config(dir))
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, connect(t, server, postgres.Superuser), "create table kept as select 42 as x")
	closeServer(t, server)

	filler := filepath.Join(disk, "filler")
	if err := fill(filler); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if _, err := postgres.Open(t.Context(), pgtest.Config(dir)); !errors.Is(err, postgres.ErrDiskFull) {
		t.Fatalf("start: got %v, want ErrDiskFull", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	server, err = postgres.Open(t.Context(), pgtest.Config(dir))
	if err != nil {
		t.Fatal(err)
	}
	if got := query1(t, connect(t, server, postgres.Superuser), "select x from kept"); got != "42" {
		t.Errorf("got %s", got)
	}
	if err := server.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// fill writes until there is no space.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it is full by then
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	return err
}
