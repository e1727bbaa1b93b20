package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/run402/functions-mcp/gateway/postgres/pgtest"
)

// On a machine without PostgreSQL, which a mount namespace makes of this one, doctor says how to get it, gets it with
// --fix, and the programs that start afterwards find it there.
func TestDoctorInstallsPostgreSQLWhereItIsFound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("downloads 23 MB")
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("no mount namespace here: %v %s", err, out)
	}
	dir := pgtest.Dir(t)
	without := func(args string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c",
			"mkdir -p /usr/lib/postgresql && mount -t tmpfs none /usr/lib/postgresql && exec "+program+" "+args)
		cmd.Env = []string{"PATH=" + pathWithoutPostgreSQL(), "HOME=" + os.Getenv("HOME"), "RUN402_DATA_DIR=" + dir}
		for _, name := range []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"} {
			if value, ok := os.LookupEnv(name); ok {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := without("doctor"); err == nil || !strings.Contains(out, "functions-mcp doctor --fix") {
		t.Fatalf("doctor without PostgreSQL: %v\n%s", err, out)
	}
	if out, err := without("doctor --fix"); err != nil || !strings.Contains(out, "(installed)") {
		t.Fatalf("doctor --fix: %v\n%s", err, out)
	}
	if out, err := without("doctor"); err != nil || !strings.Contains(out, "starts and answers") {
		t.Errorf("doctor after --fix: %v\n%s", err, out)
	}
}

// pathWithoutPostgreSQL leaves out directories of PATH that hold links to its programs.
func pathWithoutPostgreSQL() string {
	var kept []string
	for dir := range strings.SplitSeq(os.Getenv("PATH"), ":") {
		if _, err := os.Lstat(dir + "/initdb"); err == nil {
			continue
		}
		if _, err := os.Lstat(dir + "/postgres"); err == nil {
			continue
		}
		kept = append(kept, dir)
	}
	return strings.Join(kept, ":")
}
