package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/run402/functions-mcp/auth"
)

// Project is what a gateway serves and who may ask it: contract sections 1.1 and 1.2. Its keys are JWTs without expiry,
// signed with the secret that signs the users' tokens; they are compared as stored, never verified.
type Project struct {
	ID         string `json:"project_id"` // prj_ and 16 hex digits
	AnonKey    string `json:"anon_key"`
	ServiceKey string `json:"service_key"`
	JWTSecret  string `json:"jwt_secret"`
}

const projectFile = "project.json"

const damagedAdvice = ": restore it from a backup, or remove it to get new keys"

// issuer is the iss of what the gateway signs.
const issuer = "functions-mcp"

// LoadProject returns the project of a data directory, which it makes on the first call. Programs that start at the
// same time agree on one.
func LoadProject(dir string) (Project, error) {
	path := filepath.Join(dir, projectFile)
	project, err := readProject(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return project, err
	}
	if project, err = newProject(); err != nil {
		return Project{}, fmt.Errorf("make project: %w", err)
	}
	if err := writeOnce(path, project); err != nil {
		return Project{}, fmt.Errorf("save project in %s: %w", dir, err)
	}
	return readProject(path)
}

func readProject(path string) (Project, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Project{}, fmt.Errorf("read project: %w", err)
	}
	var p Project
	if err := json.Unmarshal(raw, &p); err != nil {
		return Project{}, fmt.Errorf("read project: %s is damaged (%w)%s", path, err, damagedAdvice)
	}
	if p.ID == "" || p.AnonKey == "" || p.ServiceKey == "" || p.JWTSecret == "" {
		return Project{}, fmt.Errorf("read project: %s lacks an id, a key or the secret%s", path, damagedAdvice)
	}
	return p, nil
}

// writeOnce puts the whole file there, or leaves the one that somebody else was quicker with.
func writeOnce(path string, project Project) error {
	raw, err := json.MarshalIndent(project, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, projectFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(append(raw, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func newProject() (Project, error) {
	secret := make([]byte, 32)
	id := make([]byte, 8)
	if _, err := rand.Read(secret); err != nil {
		return Project{}, err
	}
	if _, err := rand.Read(id); err != nil {
		return Project{}, err
	}
	p := Project{ID: "prj_" + hex.EncodeToString(id), JWTSecret: hex.EncodeToString(secret)}
	for _, key := range []struct {
		role string
		to   *string
	}{{auth.RoleAnon, &p.AnonKey}, {auth.RoleService, &p.ServiceKey}} {
		token, err := auth.Sign([]byte(p.JWTSecret), auth.Claims{Role: key.role, ProjectID: p.ID, Issuer: issuer})
		if err != nil {
			return Project{}, err
		}
		*key.to = token
	}
	return p, nil
}
