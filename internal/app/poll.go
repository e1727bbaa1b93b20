package app

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// pollable returns a pipe as a reader that Go's poller waits for. A thread that waits in read(2) itself loses its
// processor meanwhile and has to get one again, which costs each call some 40 µs. The pipe is opened anew, so that it
// is nonblocking for us alone and not for who else has it. Where that cannot be done (only Linux can, and not with the
// sockets that Node gives its children) r comes back as it is.
func pollable(r io.Reader) io.Reader {
	file, ok := r.(*os.File)
	if !ok {
		return r
	}
	if info, err := file.Stat(); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return r
	}
	pipe, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return r
	}
	return pipe
}
