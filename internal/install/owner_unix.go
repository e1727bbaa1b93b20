//go:build unix

package install

import (
	"os"
	"syscall"
)

// keepOwner gives file the owner that old has: under sudo the client could not read its own configuration otherwise.
func keepOwner(file *os.File, old os.FileInfo) error {
	stat, ok := old.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return file.Chown(int(stat.Uid), int(stat.Gid))
}
