package acceptance

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A view of many rows, in which the row before the last fails.
const long = `
	create table if not exists long_answers (n int primary key);
	truncate long_answers;
	insert into long_answers select generate_series(1, 300000);
	alter table long_answers enable row level security;
	drop policy if exists all_of_it on long_answers;
	create policy all_of_it on long_answers using (true);
	create or replace view wide with (security_invoker) as select n, repeat('x', 80) as pad from long_answers;
	create or replace view late with (security_invoker) as select n, repeat('x', 80) as pad, 1 / (299999 - n) as v from long_answers;`

func TestLongAnswersNeedNoMemory(t *testing.T) {
	owner(t, long)
	peak := func(limit string) (more, sent uint64) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway/rest/v1/wide?limit="+limit, nil)
		if err != nil {
			t.Fatal(err)
		}
		library.sign(r.Header, "ana")
		return heapWhile(r)
	}
	peak("10")
	_, _ = peak("300000")
	more, sent := peak("300000")
	const least, most = 28 << 20, 12 << 20
	if sent < least || more > most {
		t.Errorf("while %d MiB went out the heap grew by %d MiB", sent>>20, more>>20)
	}
}

func TestAnErrorWithinALongAnswerCutsIt(t *testing.T) {
	owner(t, long)
	for _, accept := range []string{"application/json", "text/csv"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, library.server.URL+"/rest/v1/late", nil)
		if err != nil {
			t.Fatal(err)
		}
		library.sign(r.Header, "ana")
		r.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) || strings.HasSuffix(string(body), "]") {
			t.Errorf("%s: status %d, %d bytes, then %v", accept, res.StatusCode, len(body), err)
		}
	}
	exchange{who: "ana", path: "late?n=gt.299990", status: 400, want: `…"22012"`}.check(t)
}
