//go:build !unix

package postgres

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// supported refuses. What follows only lets the package compile; nothing calls it.
func supported() error {
	return errorf("open", ErrUnsupported, "a private PostgreSQL does not run on this operating system yet; use a Run402 "+
		"project (RUN402_PROJECT_ID and its keys) or run under WSL")
}

func flock(*os.File, lockMode) (bool, error) { return false, errors.ErrUnsupported }
func funlock(*os.File)                       {}

type account struct{ uid, gid int }

func serverAccount() (account, error)          { return account{}, supported() }
func (account) procAttr() *syscall.SysProcAttr { return nil }
func (account) switched() bool                 { return false }
func (account) give(string) error              { return errors.ErrUnsupported }
func (account) mayEnter(fs.FileInfo) bool      { return true }
func ownerOf(fs.FileInfo) int                  { return -1 }
func nobodyAnswers(error) bool                 { return false }

const (
	sigFastShutdown = syscall.SIGINT
	sigReload       = syscall.SIGHUP
)
