package web

import (
	"io"
	"net/http"
	"time"
)

const (
	// ExportBatch is how many entries of an export are read, and held in memory, at a time.
	ExportBatch = 500
	// exportTime is how long writing one batch to a slow client may take.
	exportTime = time.Minute
)

// Export writes a record, oldest entry first: the batch that was read before the
// status was decided, and what follows, until a batch is not full. more reads what
// comes after an entry. Should it fail, the connection is cut: an export that ends
// early must not look like a whole one.
func Export[E interface{ Export(w io.Writer) error }](w http.ResponseWriter, batch []E, more func(last E) ([]E, error)) {
	limit := http.NewResponseController(w)
	for {
		_ = limit.SetWriteDeadline(time.Now().Add(exportTime)) // where the writer has none, the server's holds
		for _, e := range batch {
			if err := e.Export(w); err != nil {
				return // the client is gone
			}
		}
		if len(batch) < ExportBatch {
			return
		}
		var err error
		if batch, err = more(batch[len(batch)-1]); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
