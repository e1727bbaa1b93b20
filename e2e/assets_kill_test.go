package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Whoever was answered that an asset is kept finds it after the gateway, and with it its PostgreSQL, was killed at any
// moment. gateway/assets kills hundreds of times without a PostgreSQL to start; ASSETS_KILLS does so here too.
func TestAcknowledgedAssetsOutliveTheGateway(t *testing.T) {
	t.Parallel()
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("ASSETS_KILLS")); err == nil {
		kills = n
	}
	p := newProject(t)
	kept := map[string]string{} // what each acknowledged key answered as its digest
	for round := range kills {
		gateway := p.run(t, []string{"gateway", "--listen", "127.0.0.1:0"})
		base, err := gateway.address()
		if err != nil {
			t.Fatal(err)
		}
		wantAssets(t, base, kept)
		var mu sync.Mutex
		var workers sync.WaitGroup
		for worker := range 4 {
			workers.Go(func() {
				for n := 0; ; n++ {
					key := fmt.Sprintf("%d/%d/%d.txt", round, worker, n)
					body := strings.Repeat(key, 1+n%3*10_000)
					if !p.keeps(t, base, key, body) {
						return
					}
					mu.Lock()
					kept[key] = fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
					mu.Unlock()
				}
			})
		}
		eventually(t, "something is kept", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(kept) > 8*(round+1)
		})
		gateway.signal(t, syscall.SIGKILL)
		workers.Wait()
		if pid := p.running(t); pid != 0 && round%2 == 0 { // every other time its PostgreSQL goes the same way
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "PostgreSQL is gone", func() bool { return !alive(pid) })
		}
		<-gateway.ended
	}
	gateway := p.run(t, []string{"gateway", "--listen", "127.0.0.1:0"})
	base, err := gateway.address()
	if err != nil {
		t.Fatal(err)
	}
	wantAssets(t, base, kept)
	t.Logf("%d assets outlived %d kills", len(kept), kills)
}

// keeps puts an asset, and reports whether that was acknowledged.
func (p *project) keeps(t *testing.T, base, key, body string) bool {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/apply/v1/service-asset-put", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return false
	}
	request.Header.Set("Authorization", "Bearer "+p.keys["RUN402_SERVICE_KEY"])
	request.Header.Set("X-Run402-Asset-Key", key)
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		return false // it was killed
	}
	defer answer.Body.Close()
	var ref struct{ Key string }
	return json.NewDecoder(answer.Body).Decode(&ref) == nil && answer.StatusCode == http.StatusOK && ref.Key == key
}

func wantAssets(t *testing.T, base string, kept map[string]string) {
	t.Helper()
	for key, digest := range kept {
		answer, err := http.Get(base + "/_blob/" + key)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if got := fmt.Sprintf("%x", sha256.Sum256(body)); err != nil || got != digest {
			t.Errorf("%s was acknowledged, and answers %d: %v", key, answer.StatusCode, err)
		}
	}
}
