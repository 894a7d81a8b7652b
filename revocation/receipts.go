package revocation

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/valetkey/valetkey/credentials"
	"github.com/valetkey/valetkey/internal/store"
)

// Receipts gathers which instances of apps are here and what they have
// acknowledged, and writes it in batches: a thousand instances that acknowledge
// a hundred endings are a few transactions.
type Receipts struct {
	store *store.Store
	log   *Log
	node  string
	out   *slog.Logger
	wake  chan struct{}

	failing bool // only Run's goroutine looks at it

	mu      sync.Mutex
	here    map[instance]*present
	came    map[instance]store.Instance // who has come or left since the last batch
	acked   map[instance]store.Instance
	waiting []chan<- error // of the next batch
}

type instance struct{ client, name string }

// present is an instance that is connected here, by so many streams: while a
// stream is exchanged for the next, by two.
type present struct {
	streams   int
	audience  string
	staleness time.Duration
}

const (
	batchEvery = 250 * time.Millisecond
	lookEvery  = time.Second
)

// NewReceipts makes the receipts of this node.
func NewReceipts(s *store.Store, l *Log, log *slog.Logger) *Receipts {
	return &Receipts{store: s, log: l, node: credentials.NewID(), out: log, wake: make(chan struct{}, 1),
		here: map[instance]*present{}, came: map[instance]store.Instance{}, acked: map[instance]store.Instance{}}
}

// arrive notes that a stream is to be opened, and waits until that is written:
// from then on no receipt is whole without this instance. The function that it
// returns notes that the stream is over.
func (r *Receipts) arrive(ctx context.Context, s Subscriber) (leave func(), err error) {
	key := instance{s.Client, s.Instance}
	r.mu.Lock()
	p := r.here[key]
	if p == nil {
		p = &present{}
		r.here[key] = p
	}
	p.streams++
	p.audience, p.staleness = s.Audience, s.Staleness
	r.note(key, p, true)
	written := r.wait()
	r.mu.Unlock()
	leave = func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.streams--; p.streams == 0 {
			delete(r.here, key)
			r.note(key, p, false)
		}
	}
	if err := await(ctx, written); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// wait is told how the next batch went. The caller holds the lock.
func (r *Receipts) wait() <-chan error {
	written := make(chan error, 1)
	r.waiting = append(r.waiting, written)
	r.signal()
	return written
}

func await(ctx context.Context, written <-chan error) error {
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// note puts it into the next batch.
func (r *Receipts) note(key instance, p *present, connected bool) {
	r.came[key] = store.Instance{Client: key.client, Name: key.name, Audience: p.audience, Node: r.node, Connected: connected, Staleness: p.staleness}
	r.signal()
}

func (r *Receipts) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// ack notes that an instance has applied everything up to a place in the log,
// age ago, and returns when that is written.
func (r *Receipts) ack(ctx context.Context, s Subscriber, at credentials.Cursor, age time.Duration) error {
	key := instance{s.Client, s.Instance}
	i := store.Instance{Client: s.Client, Name: s.Instance, Audience: s.Audience, Node: r.node, Cursor: at, AckedAt: r.log.now().Add(-age)}
	r.mu.Lock()
	if before, is := r.acked[key]; !is || before.Cursor.Epoch != at.Epoch || before.Cursor.N < at.N {
		r.acked[key] = i
	}
	written := r.wait()
	r.mu.Unlock()
	return await(ctx, written)
}

// Run writes batches until ctx ends, and the last one then.
func (r *Receipts) Run(ctx context.Context) error {
	look, vouch := time.NewTicker(lookEvery), time.NewTicker(store.VouchEvery)
	defer look.Stop()
	defer vouch.Stop()
	for {
		select {
		case <-ctx.Done():
			r.batch(context.WithoutCancel(ctx))
			return nil
		case <-r.wake:
			begun := time.Now()
			r.batch(ctx)
			select { // who comes in the meantime goes into one batch
			case <-time.After(batchEvery - time.Since(begun)):
			case <-ctx.Done():
			}
		case <-look.C:
			r.complete(ctx, r.audiences())
		case <-vouch.C:
			r.vouch(ctx)
		}
	}
}

// batch writes what has been gathered, and answers those who wait for it.
func (r *Receipts) batch(ctx context.Context) {
	r.mu.Lock()
	came, acked, waiting := r.came, r.acked, r.waiting
	r.came, r.acked, r.waiting = map[instance]store.Instance{}, map[instance]store.Instance{}, nil
	r.mu.Unlock()
	err := r.write(ctx, came, acked)
	if failing := err != nil; failing != r.failing && ctx.Err() == nil {
		if r.failing = failing; failing {
			r.out.Warn("what apps acknowledge cannot be written down; they will say it again", "error", err)
		}
	}
	for _, w := range waiting {
		w <- err
	}
	if err != nil {
		r.again(came)
		return
	}
	audiences := map[string]bool{}
	for _, i := range acked {
		audiences[i.Audience] = true
	}
	r.complete(ctx, audiences)
}

func (r *Receipts) write(ctx context.Context, came, acked map[instance]store.Instance) error {
	if len(came) > 0 {
		if err := r.store.Present(ctx, values(came)); err != nil {
			return err
		}
	}
	if len(acked) > 0 {
		return r.store.Acked(ctx, values(acked))
	}
	return nil
}

// again puts back who came or left, unless something newer is known.
func (r *Receipts) again(came map[instance]store.Instance) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, i := range came {
		if _, newer := r.came[key]; !newer {
			r.came[key] = i
		}
	}
	if len(r.came) > 0 {
		r.signal()
	}
}

// audiences are those of the endings that apps are being told.
func (r *Receipts) audiences() map[string]bool {
	v, _ := r.log.View()
	out := map[string]bool{}
	for _, e := range v.Endings {
		for _, a := range e.Audiences {
			out[a] = true
		}
	}
	return out
}

// complete writes the receipts that are whole.
func (r *Receipts) complete(ctx context.Context, audiences map[string]bool) {
	v, _ := r.log.View()
	for audience := range audiences {
		for more := audience != ""; more && ctx.Err() == nil; {
			var err error
			if more, err = r.store.CompleteReceipts(ctx, audience, v.Cursor.Epoch); err != nil {
				if ctx.Err() == nil {
					r.out.Warn("receipts cannot be written down at this moment", "error", err)
				}
				return
			}
		}
	}
}

// vouch says who is still connected here. Where the database has others, because
// an instance came from another node while that wrote of it, all are written.
func (r *Receipts) vouch(ctx context.Context) {
	r.mu.Lock()
	n := len(r.here)
	r.mu.Unlock()
	if n == 0 {
		return
	}
	known, err := r.store.Vouch(ctx, r.node)
	if err != nil {
		return // the next batch says so
	}
	if known != int64(n) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for key, p := range r.here {
			r.note(key, p, true)
		}
	}
}

func values(m map[instance]store.Instance) []store.Instance {
	out := make([]store.Instance, 0, len(m))
	for _, i := range m {
		out = append(out, i)
	}
	return out
}
