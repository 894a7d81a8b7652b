package credentials

import "strconv"

// The status lists: StatusLists of them, each with 1 << StatusBits places.
const (
	StatusBits  = 20
	StatusLists = 8
)

// StatusPath is where the lists are, below the issuer; the first is number 1.
const StatusPath = "/status/"

// StatusList splits a session's index into the number of a list, counted from
// 0, and a place in it.
func StatusList(index int64) (list, place int64) {
	return index >> StatusBits, index & (1<<StatusBits - 1)
}

// StatusURI names a list, counted from 0, as tokens and the list itself do.
func StatusURI(issuer string, list int64) string {
	return issuer + StatusPath + strconv.FormatInt(list+1, 10)
}
