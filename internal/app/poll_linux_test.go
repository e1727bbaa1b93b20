package app

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPipeIsPolledByUsAlone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	flags := func() uintptr {
		got, _, errno := syscall.Syscall(syscall.SYS_FCNTL, r.Fd(), syscall.F_GETFL, 0) // Fd makes it blocking, as stdin is
		if errno != 0 {
			t.Fatal(errno)
		}
		return got
	}
	before := flags()
	polled, ok := pollable(r).(*os.File)
	if !ok || polled == r {
		t.Fatal("the pipe was not opened anew")
	}
	defer func() { _ = polled.Close() }()
	if err := polled.SetReadDeadline(time.Time{}); err != nil {
		t.Errorf("the poller does not know the pipe: %v", err)
	}
	if after := flags(); after != before {
		t.Errorf("the flags of the pipe that others hold went from %#x to %#x", before, after)
	}
	go func() {
		_, _ = w.WriteString("hello")
		_ = w.Close()
	}()
	if got, err := io.ReadAll(polled); string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestOnlyAPipeIsPolled(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, r := range []io.Reader{strings.NewReader("text"), file} {
		if pollable(r) != r {
			t.Errorf("a %T was opened anew", r)
		}
	}
}
