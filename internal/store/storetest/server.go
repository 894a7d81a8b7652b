package storetest

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// Server is a PostgreSQL server of its own, for programs that measure: its
// settings are theirs, and durable if they say so.
type Server struct{ cluster *cluster }

// Start starts a server with these settings, such as "fsync=on", over those of
// tests. Whoever starts it stops it.
func Start(settings ...string) (*Server, error) {
	c, err := startCluster(settings...)
	if err != nil {
		return nil, err
	}
	return &Server{c}, nil
}

// Database makes an empty database and returns its DSN.
func (s *Server) Database() (string, error) {
	name := "vk_" + strings.ToLower(rand.Text())
	err := s.cluster.admin(fmt.Sprintf("CREATE DATABASE %s OWNER %s", name, role))
	return s.cluster.dsn(role, name), err
}

// Admin returns the DSN by which the superuser reaches the database of a DSN.
func (s *Server) Admin(dsn string) string {
	at := strings.LastIndex(dsn, "/")
	name, _, _ := strings.Cut(dsn[at+1:], "?")
	return s.cluster.dsn(superuser, name)
}

// Pid is the server's process; its connections are children of it.
func (s *Server) Pid() int { return s.cluster.child.process.Pid }

// Restart ends the server as an operator does, without waiting for clients, and
// starts it again at the same address.
func (s *Server) Restart() error { return s.cluster.restart() }

// Stop ends the server and removes everything of it.
func (s *Server) Stop() { s.cluster.stop() }
