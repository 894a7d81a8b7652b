package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/valetkey/valetkey/bench/internal/rig"
)

// crowds are how many idle streams are open when memory is looked at.
var crowds = []int{0, 1000, 5000}

// footing is what a node uses, in bytes.
type footing struct{ heap, stacks, resident int64 }

// idle measures what a stream costs a node that has nothing else to do: of the
// heap, of stacks, and of the memory that it occupies. Nothing is forced: the node
// is asked for its metrics until it has collected its garbage by itself, and given
// time to return what it does not need.
func idle(ctx context.Context, program string) error {
	b, err := rig.Install(program, "sqlite", "ES256")
	if err != nil {
		return err
	}
	defer b.Remove()
	if err := b.Start(ctx); err != nil {
		return err
	}
	client := rig.NewClient(b, "idle", 0)
	defer client.Close()
	bearer, err := client.APIToken(ctx, client.Site.Asker)
	if err != nil {
		return err
	}
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	var empty footing
	for _, n := range crowds {
		more, err := streams(ctx, b, bearer, len(open), n)
		if open = append(open, more...); err != nil {
			return err
		}
		now, err := quiet(ctx, client)
		if err != nil {
			return err
		}
		if n == 0 {
			empty = now
			fmt.Printf("an idle node: heap %.1f MiB, stacks %.1f MiB, resident %.1f MiB\n", rig.Mebibytes(now.heap), rig.Mebibytes(now.stacks), rig.Mebibytes(now.resident))
			continue
		}
		each := func(now, empty int64) float64 { return float64(now-empty) / 1024 / float64(n) }
		fmt.Printf("with %d idle streams, KiB each: heap %.1f, stacks %.1f, resident %.1f\n", n,
			each(now.heap, empty.heap), each(now.stacks, empty.stacks), each(now.resident, empty.resident))
	}
	return nil
}

// streams opens those from one number to another, each an instance of its own that
// reads whatever comes, and waits until all have been told that they are fresh.
func streams(ctx context.Context, b *rig.Broker, bearer string, from, to int) ([]net.Conn, error) {
	open := make([]net.Conn, to-from)
	var group errgroup.Group
	group.SetLimit(500)
	for i := range open {
		group.Go(func() (err error) {
			open[i], err = stream(ctx, b, bearer, fmt.Sprintf("idle-%d", from+i))
			return err
		})
	}
	err := group.Wait()
	var out []net.Conn
	for _, conn := range open {
		if conn != nil {
			out = append(out, conn)
		}
	}
	return out, err
}

func stream(ctx context.Context, b *rig.Broker, bearer, instance string) (net.Conn, error) {
	address := strings.TrimPrefix(b.At, "http://")
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err = fmt.Fprintf(conn, "GET /api/v1/endings?instance=%s&max_staleness=10s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Accept: text/event-stream\r\nUser-Agent: bench\r\n\r\n", instance, address, bearer)
	if err != nil {
		return conn, err
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil) //nolint:bodyclose // it lasts as long as the connection
	if err != nil {
		return conn, err
	}
	if answer.StatusCode != http.StatusOK {
		return conn, fmt.Errorf("a stream is answered with %d", answer.StatusCode)
	}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if lines.Text() == "event: fresh" {
			_ = conn.SetDeadline(time.Time{})
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			return conn, nil
		}
	}
	return conn, errors.New("a stream was never fresh")
}

const (
	collections = 3 // that a node has had when it is said to be quiet
	still       = 3 * time.Second
	patience    = 40 * time.Second
)

// quiet waits until a node has collected its garbage and its memory does not get
// any less, and says what it uses then.
func quiet(ctx context.Context, client *rig.Client) (footing, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begun, err := metrics(ctx, client)
	last := begun
	least, since := client.Broker.Memory(), time.Now()
	for err == nil && (last["go_gc_duration_seconds_count"] < begun["go_gc_duration_seconds_count"]+collections || time.Since(since) < still) {
		if last["go_gc_duration_seconds_count"] >= begun["go_gc_duration_seconds_count"]+collections {
			pause(ctx, 200*time.Millisecond) // it is asked no more than it has to be
		}
		if last, err = metrics(ctx, client); err != nil {
			break
		}
		if now := client.Broker.Memory(); now < least-least/100 {
			least, since = now, time.Now()
		}
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return footing{}, err
	}
	return footing{last["go_memstats_heap_inuse_bytes"], last["go_memstats_stack_inuse_bytes"], client.Broker.Memory()}, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

var metricLine = regexp.MustCompile(`(?m)^(go_\w+) (\S+)$`)

// metrics are the node's own figures of its memory.
func metrics(ctx context.Context, client *rig.Client) (map[string]int64, error) {
	got, err := client.Get(ctx, client.Broker.At+"/metrics")
	out := map[string]int64{}
	for _, m := range metricLine.FindAllSubmatch(got.Body, -1) {
		if f, err := strconv.ParseFloat(string(m[2]), 64); err == nil {
			out[string(m[1])] = int64(f)
		}
	}
	return out, err
}
