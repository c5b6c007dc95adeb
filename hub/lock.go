package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

var errNoLocks = errors.New("this file system has no file locks")

const (
	firstLockWait = 20 * time.Millisecond
	lastLockWait  = 500 * time.Millisecond
)

// acquire waits until it alone holds the lock file at path, which stays behind as Python's does. It fails with errNoLocks
// where locking does not exist, and with the system's error where the file cannot be made. waiting is called once if
// somebody else holds the lock.
func acquire(ctx context.Context, path string, waiting func()) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o664)
	if err != nil {
		return nil, err
	}
	for wait := firstLockWait; ; wait = min(2*wait, lastLockWait) {
		locked, err := tryLock(file)
		if locked {
			return func() { file.Close() }, nil // closing unlocks
		}
		if err == nil {
			if waiting != nil {
				waiting()
				waiting = nil
			}
			err = sleep(ctx, wait)
		}
		if err != nil {
			file.Close()
			return nil, err
		}
	}
}
