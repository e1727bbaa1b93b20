package assets

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test's program is its own victim: with these variables it puts assets until it is killed, and says which ones it
// was answered for.
const (
	victimDatabase = "ASSETS_VICTIM_DATABASE"
	victimStore    = "ASSETS_VICTIM_STORE"
	victimRound    = "ASSETS_VICTIM_ROUND"
	victimName     = "assets-victim" // as PostgreSQL knows it
	killsVariable  = "ASSETS_KILLS"  // how often the program is killed: 15 unless it says
)

func TestVictim(t *testing.T) {
	if os.Getenv(victimDatabase) == "" {
		return // it is no test of its own
	}
	o := Options{Dir: os.Getenv(victimStore)}
	if strings.HasPrefix(o.Dir, "s3://") {
		o = Options{URL: o.Dir}
	}
	pool := connect(t, os.Getenv(victimDatabase))
	f := &fixture{Assets: newTestAssets(pool, o), pool: pool}
	round := os.Getenv(victimRound)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%s/%d/%d", round, worker, n%7) // keys move, too
				body := victimBody(round, worker, n)
				f.mustPut(t, key, body)
				// One write, so that a line is whole or not there.
				_, _ = os.Stdout.WriteString("put " + key + " " + sumOf(body) + "\n")
				if n%5 == 4 {
					_, _ = os.Stdout.WriteString("deleting " + key + "\n") // from here on it may be there or not
					f.do(t, "DELETE", "/storage/v1/blob/"+key, nil)
				}
				if n%11 == 10 {
					_ = f.Collect(t.Context()) // what it leaves is collected later
				}
			}
		})
	}
	all.Wait()
}

func victimBody(round string, worker, n int) string {
	return strings.Repeat(fmt.Sprintf("%s %d %d ", round, worker, n), 1+n%3*20_000)
}

func TestNothingIsLostWhenAProgramIsKilled(t *testing.T) {
	kills := 15
	if n, err := strconv.Atoi(os.Getenv(killsVariable)); err == nil {
		kills = n
	}
	eachStore(t, func(t *testing.T, f *fixture) {
		place := f.dir
		if place == "" {
			place = f.opts.URL
		}
		acknowledged := 0
		for round := range kills {
			victim := exec.Command(os.Args[0], "-test.run=^TestVictim$", "-test.timeout=60s")
			victim.Env = append(os.Environ(), victimDatabase+"="+f.pool.Config().ConnString(), victimStore+"="+place,
				victimRound+"="+strconv.Itoa(round), "PGAPPNAME="+victimName)
			out, err := victim.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var complaint bytes.Buffer
			victim.Stderr = &complaint
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			kept := map[string]string{}
			before := acknowledged
			for first := true; lines.Scan(); first = false {
				if first { // it works: it has this long to live
					time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = victim.Process.Kill() })
				}
				switch words := strings.Fields(lines.Text()); {
				case len(words) == 3 && words[0] == "put":
					kept[words[1]] = words[2]
					acknowledged++
				case len(words) == 2 && words[0] == "deleting":
					delete(kept, words[1])
				default:
					t.Fatalf("round %d: the victim says %q\n%s", round, lines.Text(), &complaint)
				}
			}
			_ = victim.Wait() // it was killed
			if acknowledged == before {
				t.Fatalf("round %d: nothing was put before the kill\n%s", round, &complaint)
			}
			f.wantKept(t, strconv.Itoa(round), kept)
		}
		f.waitForVictims(t)
		f.wantNoOrphans(t)
		t.Logf("killed %d times during %d acknowledged puts", kills, acknowledged)
	})
}

// waitForVictims waits until PostgreSQL has ended what it was doing for victims when they were killed.
func (f *fixture) waitForVictims(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var left int
		err := f.pool.QueryRow(t.Context(), "select count(*) from pg_stat_activity where application_name = $1", victimName).
			Scan(&left)
		if err != nil || left > 0 && time.Now().After(deadline) {
			t.Fatalf("%d sessions of victims are left (%v)", left, err)
		}
		if left == 0 {
			return
		}
	}
}

// wantKept fails unless every key reads back as the bytes that the store and the database say it is, and every asset
// that was acknowledged is there. Its key may have moved on: to bytes whose put was cut short of its answer.
func (f *fixture) wantKept(t *testing.T, round string, kept map[string]string) {
	t.Helper()
	for _, row := range f.list(t, "limit=1000&prefix="+round+"/").Blobs {
		if w := f.get(t, "/_blob/"+row.Key); w.Code != 200 || sumOf(w.Body.String()) != row.SHA256 {
			t.Errorf("%s answered %d, and not the bytes of its digest", row.Key, w.Code)
		}
	}
	for key, sum := range kept {
		for _, url := range []string{"/_blob/" + key, "/_blob/" + immutableName(key, sum[:8])} {
			w := f.get(t, url)
			if w.Code != 200 || strings.HasSuffix(url, immutableName(key, sum[:8])) && sumOf(w.Body.String()) != sum {
				t.Errorf("%s was acknowledged as %s, and %s answers %d", key, sum, url, w.Code)
			}
		}
	}
}
