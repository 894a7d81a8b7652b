package revocation

import "bytes"

// ReadPoll is for a fuzzing test.
func ReadPoll(body []byte) (pollRequest, error) { return readPoll(bytes.NewReader(body)) }
