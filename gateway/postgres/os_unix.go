//go:build unix

package postgres

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

func supported() error { return nil }

// flock takes a lock without waiting and reports whether it got it.
func flock(file *os.File, mode lockMode) (bool, error) {
	how := syscall.LOCK_SH
	if mode == exclusive {
		how = syscall.LOCK_EX
	}
	for {
		switch err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, &fs.PathError{Op: "lock", Path: file.Name(), Err: err}
		}
	}
}

func funlock(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) // fails only for a descriptor that is not open
}

// account is the OS user that PostgreSQL runs as.
type account struct {
	uid, gid   int
	credential *syscall.Credential // nil when it is our own user
}

// serverAccount returns the user that PostgreSQL runs as: our own, or `postgres` when we are root.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return account{}, &Error{Op: "open", Kind: ErrNotFound, Err: err, Msg: "PostgreSQL refuses to run as root and " +
			"there is no user postgres to run it as; install the system's postgresql package, make the user with " +
			"`useradd --system postgres`, or run as an ordinary user"}
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, explain("look up user postgres", err)
	}
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return account{uid: int(credential.Uid), gid: int(credential.Gid), credential: credential}, nil
}

// switched reports whether PostgreSQL does not run as our own user.
func (a account) switched() bool { return a.credential != nil }

// procAttr starts a program as the account, in a session of its own so that a terminal's Ctrl-C does not reach it.
func (a account) procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: a.credential}
}

// give makes the account the owner of a file that we made.
func (a account) give(path string) error {
	if !a.switched() {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// mayEnter reports whether the account may traverse a directory, going by its mode.
func (a account) mayEnter(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return true
	case int(stat.Uid) == a.uid:
		return info.Mode()&0o100 != 0
	case int(stat.Gid) == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// ownerOf returns a file's owner.
func ownerOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// nobodyAnswers reports whether a dial failed because no PostgreSQL serves the socket. One that was just killed may
// still accept, and break the connection then.
func nobodyAnswers(err error) bool {
	for _, sign := range []error{fs.ErrNotExist, io.EOF, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}

// The signals that PostgreSQL's postmaster understands.
const (
	sigFastShutdown = syscall.SIGINT
	sigReload       = syscall.SIGHUP
)
