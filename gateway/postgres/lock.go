package postgres

import (
	"context"
	"os"
	"sync"
	"time"
)

const lockPoll = 5 * time.Millisecond // flock(2) cannot wait with a context

type lockMode int

const (
	shared lockMode = iota
	exclusive
)

// fileLock is an flock(2) on a file of its own. The system drops it when the program ends, however it ends.
type fileLock struct {
	file *os.File
	once sync.Once
}

// lockFile waits for a lock on the file at path, which is made when missing, until ctx ends. It tries at least once.
func lockFile(ctx context.Context, path string, mode lockMode) (*fileLock, error) {
	for {
		lock, err := tryLockFile(path, mode)
		if lock != nil || err != nil {
			return lock, err
		}
		if err := pause(ctx, lockPoll); err != nil {
			return nil, err
		}
	}
}

// tryLockFile returns the lock, or nil when somebody else's is in the way.
func tryLockFile(path string, mode lockMode) (*fileLock, error) {
	// Go opens files close-on-exec, so PostgreSQL inherits no lock.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	got, err := flock(file, mode)
	if !got {
		_ = file.Close() // nothing was written
		return nil, err
	}
	return &fileLock{file: file}, nil
}

// unlock lets go; a second call does nothing. It unlocks before it closes, because a child between fork and exec may
// still hold a copy of the descriptor.
func (l *fileLock) unlock() {
	l.once.Do(func() {
		funlock(l.file)
		_ = l.file.Close() // nothing was written
	})
}

// startLock is start.lock: one program at a time, and one goroutine at a time within it, since goroutines share the
// cluster that it guards.
type startLock struct {
	path string
	mine chan struct{}
}

func newStartLock(path string) *startLock {
	return &startLock{path: path, mine: make(chan struct{}, 1)}
}

// lock waits until ctx ends. It tries at least once.
func (l *startLock) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case l.mine <- struct{}{}:
	default:
		select {
		case l.mine <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	file, err := lockFile(ctx, l.path, exclusive)
	if err != nil {
		<-l.mine
		return nil, err
	}
	return func() { file.unlock(); <-l.mine }, nil
}

// pause waits for d, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
