package store

import (
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// unreached says, to whoever starts a program, that there is no database to work
// with, and what to do about it.
type unreached struct{ error }

func (u unreached) Unwrap() error { return u.error }

// Error is one line; what a driver says may have several.
func (u unreached) Error() string {
	return fmt.Sprintf("the database cannot be reached: %s; %s", strings.Join(strings.Fields(u.error.Error()), " "), remedy(u.error))
}

func remedy(err error) string {
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return "see that it runs, and that «database» in the configuration leads to it"
	}
	switch lite.Code() & 0xff {
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return "the file is damaged, or something else: put back a backup, and run «valetkey recover --config FILE»"
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		return "let this user write the file, and in its folder, where -wal and -shm lie beside it"
	case lib.SQLITE_FULL, lib.SQLITE_IOERR:
		return "see that the disk has room and works"
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return "another program holds it: let it finish, or stop it"
	}
	return "see that the file is what the broker left there"
}
