package store

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/valetkey/valetkey/credentials"
)

const (
	statusTries = credentials.StatusLists * perList
	// perList is how often a free place is looked for in one list before the next
	// is begun: a list that is nearly full is left alone.
	perList = 4
)

// statusPlace picks a place at random, so that neither its number nor its
// neighbours tell anything of the session. It is never 0.
func statusPlace(try int) int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	place := int64(binary.LittleEndian.Uint64(b[:])%(1<<credentials.StatusBits-1)) + 1
	return int64(try/perList)<<credentials.StatusBits | place
}
