package gateway_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/run402/functions-mcp/auth"
	"github.com/run402/functions-mcp/gateway"
)

func TestProgramsThatStartAtOnceAgreeOnTheProject(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "project")
	projects := make([]gateway.Project, 16)
	var wg sync.WaitGroup
	for i := range projects {
		wg.Go(func() {
			var err error
			if projects[i], err = gateway.LoadProject(dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range projects {
		if p != projects[0] {
			t.Fatal("two programs made different projects of one directory")
		}
	}
	info, err := os.Stat(filepath.Join(dir, "project.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the keys can be read by others: mode %v", info.Mode())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "project.json.*")); len(left) > 0 {
		t.Errorf("files were left behind: %v", left)
	}
}

func TestKeysSayTheirRoleAndProject(t *testing.T) {
	p, err := gateway.LoadProject(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(p.ID, "prj_") || len(p.ID) != len("prj_")+16 {
		t.Errorf("project id %q is not prj_ and 16 hex digits", p.ID)
	}
	for key, role := range map[string]string{p.AnonKey: auth.RoleAnon, p.ServiceKey: auth.RoleService} {
		c, err := auth.Unverified(key)
		if err != nil || c.Role != role || c.ProjectID != p.ID || !c.Expires.IsZero() {
			t.Errorf("the key of %s says %s of %s until %v (%v)", role, c.Role, c.ProjectID, c.Expires, err)
		}
	}
}

func TestDamagedProjectIsAnErrorThatSaysWhatToDo(t *testing.T) {
	for name, content := range map[string]string{"no JSON": "{", "no keys": `{"project_id":"prj_1"}`, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "project.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := gateway.LoadProject(dir)
			if err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
				t.Errorf("got %v", err)
			}
		})
	}
}
