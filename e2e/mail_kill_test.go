package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/run402/functions-mcp/gateway/mail/mailtest"
)

// A gateway that accepts mail and is killed at any moment between that and the relay's last word, again and again: every
// message that was accepted arrives. One may arrive twice, with the same Message-ID, when the kill came between the
// relay's yes and its being written down: how many did is logged. MAIL_KILLS says how often; 10 is for every day.
func TestAcceptedMailSurvivesKills(t *testing.T) {
	t.Parallel()
	kills := 10
	if text := os.Getenv("MAIL_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	const burst, boxes = 3, 5
	pit := mailtest.Start(t)
	p := newProject(t)
	relay := "RUN402_SMTP_URL=smtp://" + pit.SMTP
	header := func() http.Header {
		return http.Header{"Authorization": {"Bearer " + p.keys["RUN402_SERVICE_KEY"]}, "Prefer": {"respond-async"}}
	}
	start := func() (*process, string) {
		c, err := p.start([]string{"gateway", "--listen", "127.0.0.1:0"}, relay)
		if err != nil {
			t.Fatal(err)
		}
		base, err := c.address()
		if err != nil {
			t.Fatal(err)
		}
		return c, base + "/mailboxes/v1"
	}
	stop := func(c *process) {
		for _, complaint := range c.end() {
			t.Error(complaint)
		}
	}
	id := func(name, text string) string {
		var fields map[string]any
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatal(err)
		}
		value, _ := fields[name].(string)
		return value
	}

	var ids []string // of mailboxes: each may send 60 a minute
	c, base := start()
	for i := range boxes {
		status, text := fetch(t, http.MethodPost, base, fmt.Sprintf(`{"slug":"box%d"}`, i), header())
		if status != http.StatusCreated {
			t.Fatalf("a mailbox: %d %s", status, text)
		}
		ids = append(ids, id("mailbox_id", text))
	}
	stop(c)

	accepted := map[string]int{}
	began := time.Now()
	for round := range kills {
		c, base := start()
		for i := range burst {
			url := base + "/" + ids[(round*burst+i)%boxes] + "/messages"
			letter := fmt.Sprintf(`{"to":"ana@example.com","subject":"%d.%d","html":"<p>%s</p>"}`, round, i,
				strings.Repeat(marker+" ", 20_000)) // long enough that there is a middle to be killed in
			status, text := fetch(t, http.MethodPost, url, letter, header())
			if status != http.StatusCreated {
				t.Fatalf("message %d of round %d: %d %s", i, round, status, text)
			}
			accepted[id("message_id", text)] = 0
		}
		time.Sleep(rand.N(10 * time.Millisecond)) // anywhere on the way to the relay
		c.signal(t, syscall.SIGKILL)
		stop(c)
	}
	early := len(pit.MessageIDs(t))
	c, _ = start()
	defer func() { stop(c) }()
	missing := func() int {
		for message := range accepted {
			accepted[message] = 0
		}
		for _, full := range pit.MessageIDs(t) {
			message, _, _ := strings.Cut(full, "@")
			accepted[message]++
		}
		n := 0
		for _, times := range accepted {
			if times == 0 {
				n++
			}
		}
		return n
	}
	for left := missing(); left > 0; left = missing() {
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("%d of %d accepted messages have not arrived", left, len(accepted))
		}
		time.Sleep(50 * time.Millisecond)
	}
	twice := 0
	for message, times := range accepted {
		if times > 1 {
			twice += times - 1
		}
		if times > kills {
			t.Errorf("%s arrived %d times", message, times)
		}
	}
	t.Logf("%d kills, %d messages accepted, %d arrived before the last kill, all in the end, %d of them once more; %v",
		kills, len(accepted), early, twice, time.Since(began).Round(time.Second))
}
