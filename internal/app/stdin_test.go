package app

import (
	"bufio"
	"context"
	"io"
	"log"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mark3labs/mcp-go/server"
)

func TestLimitLines(t *testing.T) {
	const mark = "\x00"
	for in, want := range map[string]string{
		"":                        "",
		"1234\n":                  "1234\n",
		"12345\n":                 "1234" + mark + "\n",
		"123456789\n12\n":         "1234" + mark + "\n12\n",
		"12\n123456789":           "12\n1234" + mark,
		"\n\n12345678\n\n1234567": "\n\n1234" + mark + "\n\n1234" + mark,
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by bytes": iotest.OneByteReader,
			"with the error": iotest.DataErrReader,
		} {
			got, err := io.ReadAll(limitLines(wrap(strings.NewReader(in)), 4))
			if err != nil || string(got) != want {
				t.Errorf("%q, %s: %q, %v; want %q", in, name, got, err, want)
			}
		}
	}
}

func FuzzLimitLines(f *testing.F) {
	f.Add("12345678\n12\n")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := io.ReadAll(limitLines(iotest.HalfReader(strings.NewReader(in)), 4))
		if err != nil {
			t.Fatal(err)
		}
		was, is := strings.Split(in, "\n"), strings.Split(string(got), "\n")
		if len(was) != len(is) {
			t.Fatalf("%d lines became %d", len(was), len(is))
		}
		for i := range was {
			if len(was[i]) > 4 && is[i] != was[i][:4]+"\x00" || len(was[i]) <= 4 && is[i] != was[i] {
				t.Errorf("%q became %q", was[i], is[i])
			}
		}
	})
}

// TestAttackLongLine is the only test here that may speak stdio: mcp-go has one stdio session in a process.
func TestAttackLongLine(t *testing.T) {
	stdio := server.NewStdioServer(server.NewMCPServer("test", "1"))
	server.WithErrorLogger(log.New(io.Discard, "", 0))(stdio)
	in, client := io.Pipe()
	answers, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- stdio.Listen(context.WithoutCancel(t.Context()), limitLines(in, maxLine), out) }()
	go func() {
		long := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("a", 64<<20) + "\"}}\n"
		_, err := io.WriteString(client, long+`{"jsonrpc":"2.0","id":2,"method":"ping"}`+"\n")
		if err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewScanner(answers)
	for _, want := range []string{"-32700", `"id":2`} {
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("%q, %v; want %s", lines.Text(), lines.Err(), want)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil && !strings.Contains(err.Error(), "EOF") {
		t.Error(err)
	}
}
