package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/web"
)

func serveCommand() *cobra.Command {
	var file string
	return withConfig(&cobra.Command{Use: "serve", Short: "Run the broker", RunE: func(c *cobra.Command, _ []string) error {
		cfg, r, err := loadRules(file)
		if err != nil {
			return err
		}
		log := newLog(cfg, c.ErrOrStderr())
		for _, w := range cfg.Warnings {
			log.Warn(w.Text, "key", w.Key, "line", w.Line)
		}
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal ends the program at once
		keepHeap()
		return serve(ctx, cfg, r, log)
	}}, &file)
}

// loadRules loads the configuration and everything that it means.
func loadRules(file string) (*config.Config, rules, error) {
	cfg, err := config.Load(file)
	var problems config.Problems
	if err != nil && (!errors.As(err, &problems) || cfg == nil) {
		return nil, rules{}, err
	}
	r, more := wireRules(cfg)
	if problems = problems.With(more); len(problems) > 0 {
		return nil, rules{}, problems
	}
	return cfg, r, nil
}

func newLog(cfg *config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // one of four words, checked by config
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, opts)
	if cfg.Log.Format == "json" {
		h = slog.NewJSONHandler(w, opts)
	}
	log := slog.New(web.LogAttrs{Handler: h})
	slog.SetDefault(log) // the OpenID library logs there
	return log
}

// Limits of a connection.
const (
	headerTimeout   = 10 * time.Second
	readTimeout     = 30 * time.Second
	writeTimeout    = 60 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 64 << 10
	shutdownTimeout = 20 * time.Second
)

// serve runs until ctx ends, then drains: not ready, still serving for a while,
// then no new connections, and the database last.
func serve(ctx context.Context, cfg *config.Config, r rules, log *slog.Logger) error {
	b, err := newBroker(ctx, cfg, r, log)
	if err != nil {
		return err
	}
	defer b.store.Close()
	if err := b.endUnknown(ctx); err != nil {
		return err
	}
	if err := b.endings.Load(ctx); err != nil {
		return err
	}
	listener, err := listenOn(cfg.Listen)
	if err != nil {
		return err
	}
	apart, err := listenOn(cfg.Metrics)
	if err != nil {
		_ = listener.Close()
		return err
	}
	var leaving atomic.Bool
	m := newMetrics()
	m.follow(b.feed, b.endings)
	m.counted(b.store)
	root := http.NewServeMux()
	root.HandleFunc("/readyz", func(w http.ResponseWriter, req *http.Request) { ready(w, req, b, &leaving) })
	if cfg.Metrics == "" {
		root.Handle("/metrics", m.handler())
	}
	root.Handle("/", m.count(b.pages.Visitor(cfg.TrustedProxies, web.Direct(b.router()))))
	log.Info("serving", "issuer", cfg.Issuer, "listen", listener.Addr().String(), "database", b.store.Engine(), "version", version)

	// The jobs outlive the listeners: what is being drained still needs them.
	jobs, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.store.Watch(jobs, cfg.Poll) })
	group.Go(func() error { return b.store.Sweep(jobs) })
	group.Go(func() error { return b.rotation().Run(jobs) })
	group.Go(func() error { return b.store.Listen(jobs, dsn(cfg.DatabaseDirect)) })
	group.Go(func() error { return b.endings.Run(jobs) })
	group.Go(func() error { return b.receipts.Run(jobs) })
	group.Go(func() error { return b.signals.Run(jobs) })
	group.Go(func() error { return b.wireLogouts(m.called).Run(jobs) })
	group.Go(func() error {
		defer stopJobs()
		defer b.feed.Close() // its streams are no requests that the server waits for
		return listen(ctx, listener, root, cfg.Drain, func() {
			leaving.Store(true)
			log.Info("draining", "for", cfg.Drain)
		}, b.feed.Close, b.signals.Close)
	})
	if apart != nil {
		group.Go(func() error { return listen(ctx, apart, m.handler(), 0, func() {}) })
	}
	err = group.Wait()
	log.Info("stopped")
	return err
}

// listenOn takes an address, before anything says that it is served; nil for
// none.
func listenOn(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; %s", address, err, remedy(err))
	}
	return l, nil
}

// remedy says what to do about an address that cannot be had.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program has it, perhaps another valetkey: stop that one, or write another address in the configuration"
	case errors.Is(err, syscall.EACCES):
		return "this user may not have that port: write one above 1023 in the configuration"
	}
	return "write an address of this machine in the configuration"
}

func ready(w http.ResponseWriter, r *http.Request, b *broker, leaving *atomic.Bool) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store")
	switch err := b.store.Ready(ctx); {
	case leaving.Load():
		http.Error(w, "draining", http.StatusServiceUnavailable)
	case err != nil:
		b.log.Warn("not ready", "error", err)
		http.Error(w, "not ready", http.StatusServiceUnavailable)
	default:
		_, _ = fmt.Fprintln(w, "ready")
	}
}

// listen serves until ctx ends, drains, and shuts down.
// Streams, which would not end by themselves, are closed by last.
func listen(ctx context.Context, l net.Listener, h http.Handler, drain time.Duration, leave func(), last ...func()) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes}
	for _, f := range last {
		server.RegisterOnShutdown(f)
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	leave()
	time.Sleep(drain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
