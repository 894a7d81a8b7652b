// Command zitadel is the example server of github.com/zitadel/oidc, as it comes:
// everything in memory. The bench measures it beside the broker.
//
//	zitadel 127.0.0.1:PORT CLIENT SECRET REDIRECT_URI
//
// It ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: zitadel ADDRESS CLIENT SECRET REDIRECT_URI")
		os.Exit(2)
	}
	issuer := "http://" + os.Args[1]
	storage.RegisterClients(storage.WebClient(os.Args[2], os.Args[3], os.Args[4]))
	handler := exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)
	server := &http.Server{Addr: os.Args[1], Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
