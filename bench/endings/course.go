package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/valetkey/valetkey/bench/internal/rig"
	"github.com/valetkey/valetkey/guard"
)

const header = "database  nodes  a second  endings  refusals     p50 ms     p99 ms     max ms   owner's reply p50 ms   listed as applied p50 ms    max ms"

// course is an installation with the guards that are connected to it.
type course struct {
	plan
	database string
	nodes    []*rig.Broker
	apps     []*app
	made     int
}

// session is one that will be ended.
type session struct {
	client  *rig.Client // of the owner's product, at one of the nodes
	request *http.Request
	begun   time.Time // just before the owner's request was written
	replied time.Duration
	listed  time.Duration // until the API listed the app as applied
	err     error
}

// signIn signs a session in, by the real protocol.
func (c *course) signIn(ctx context.Context) (*session, error) {
	c.made++
	s := &session{client: rig.NewClient(c.nodes[c.made%len(c.nodes)], fmt.Sprint("course-", c.made), 0)}
	lent, err := s.client.Mint(ctx, "holder")
	if err != nil {
		return nil, err
	}
	s.client.Lent = lent
	if s.client.Session, err = s.client.SignIn(ctx, rig.Jar{}, lent); err != nil {
		return nil, err
	}
	s.request, err = http.NewRequestWithContext(ctx, http.MethodGet, "https://docs.bench.example/", nil)
	if err == nil {
		s.request.Header.Set("Authorization", "Bearer "+s.client.Session.Access)
	}
	return s, err
}

// row ends sessions at a rate, and prints how long each guard took to refuse.
func (c *course) row(ctx context.Context, rate int) error {
	n := max(1, min(most, int(c.during.Seconds()*float64(rate))))
	sessions := make([]*session, n)
	for i := range sessions {
		s, err := c.signIn(ctx)
		if err != nil {
			return err
		}
		defer s.client.Close()
		sessions[i] = s
	}
	if err := c.all(func(a *app) error { return a.letAllIn(ctx, sessions) }); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, c.close)() // ends whoever waits
	var generator sync.WaitGroup
	generator.Go(func() { c.revoke(ctx, sessions, rate) })
	var err error
	if c.ask {
		err = c.all(func(a *app) (err error) {
			a.refused, err = a.refuse(sessions)
			return err
		})
	}
	generator.Wait() // when the last is listed as applied, each guard has said so
	for _, s := range sessions {
		err = errors.Join(err, s.err)
	}
	if err != nil {
		return err
	}
	err = c.all(func(a *app) error {
		noted, err := a.watch.all(ctx)
		if err == nil && !c.ask {
			a.refused = noted
		}
		if err == nil {
			_, err = a.refuse(sessions)
		}
		return err
	})
	if err == nil {
		c.print(rate, sessions)
	}
	return err
}

// letAllIn lets sessions in, and begins to note when they end.
func (a *app) letAllIn(ctx context.Context, sessions []*session) error {
	a.known = make([]*guard.Session, len(sessions))
	for i, s := range sessions {
		var err error
		if a.known[i], err = a.enter(ctx, s.request); err != nil {
			return err
		}
	}
	a.await(a.known)
	return nil
}

// refuse waits for the endings in the order in which they are asked for, and has
// a request of each refused. Returned is when each had been.
func (a *app) refuse(sessions []*session) ([]time.Time, error) {
	out := make([]time.Time, len(sessions))
	for i, s := range sessions {
		<-a.known[i].Done() // also when the guard is closed, because the time is over
		if got := a.ask(s.request); got.refusal == nil || got.refusal.Code != guard.ErrEnded.Code {
			return nil, fmt.Errorf("a guard answers for an ended session: %+v", got)
		}
		out[i] = time.Now()
	}
	return out, nil
}

// revoke has owners take back what they lent, so many a second, each over a
// connection that is open already.
func (c *course) revoke(ctx context.Context, sessions []*session, rate int) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var wait sync.WaitGroup
	defer wait.Wait()
	for i, s := range sessions {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		last := rate <= 10 || i == len(sessions)-1 // asking for all of many would be the load
		wait.Go(func() { s.err = c.end(ctx, s, i%2 == 0, last) })
	}
}

// end takes one credential back, looks whether any node still accepts the token
// (of every second one: the looking is work amid the ending, which is measured),
// and waits until the API lists the app as applied.
func (c *course) end(ctx context.Context, s *session, look, await bool) error {
	s.begun = time.Now()
	got, err := s.client.API(ctx, "settings", http.MethodDelete, "/accounts/"+s.client.Lent.Account+"/credentials/"+s.client.Lent.ID, nil)
	s.replied = time.Since(s.begun)
	if err == nil {
		err = got.Want(http.StatusNoContent, "a revocation")
	}
	if err != nil {
		return err
	}
	for _, node := range c.nodes {
		if !look {
			break
		}
		if err := accepted(ctx, s, node); err != nil {
			return err
		}
	}
	if !await {
		return nil
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if is, err := s.client.Applied(ctx); is || err != nil {
			s.listed = time.Since(s.begun)
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.New("the API never listed the app as applied")
		}
	}
}

// accepted is an error if a node takes the token of an ended session.
func accepted(ctx context.Context, s *session, b *rig.Broker) error {
	node := rig.NewClient(b, "asks", 0) // a client asks one thing after the other
	defer node.Close()
	active, err := node.Active(ctx, s.client.Session.Access)
	if err != nil {
		return err
	}
	status, err := node.Userinfo(ctx, s.client.Session.Access)
	if err == nil && (active || status != http.StatusUnauthorized) {
		err = fmt.Errorf("after the owner's call returned, introspection says %v and userinfo %d", active, status)
	}
	return err
}

func (c *course) print(rate int, sessions []*session) {
	var took, replied, listed []time.Duration
	for i, s := range sessions {
		for _, a := range c.apps {
			took = append(took, a.refused[i].Sub(s.begun))
		}
		if replied = append(replied, s.replied); s.listed > 0 {
			listed = append(listed, s.listed)
		}
	}
	for _, list := range [][]time.Duration{took, replied, listed} {
		slices.Sort(list)
	}
	fmt.Printf("%-9s %5d  %8d  %7d  %8d %10.2f %10.2f %10.2f   %20.2f   %24.0f  %8.0f\n", c.database, len(c.nodes), rate, len(sessions), len(took),
		rig.Milliseconds(took[len(took)/2]), rig.Milliseconds(took[len(took)*99/100]), rig.Milliseconds(took[len(took)-1]), rig.Milliseconds(replied[len(replied)/2]),
		rig.Milliseconds(listed[len(listed)/2]), rig.Milliseconds(listed[len(listed)-1]))
}
