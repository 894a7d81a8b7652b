package rig

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// span is how long each yardstick is measured.
const span = 150 * time.Millisecond

// Yardsticks prints what this machine does by itself of that which everything
// else is made of, so that figures of different machines can be compared. Times
// are medians.
func Yardsticks(ctx context.Context, dir string, postgres bool) error {
	fmt.Println("yardsticks:")
	for _, one := range []func(context.Context, string) error{signatures, flushes, replies} {
		if err := one(ctx, dir); err != nil {
			return fmt.Errorf("a yardstick: %w", err)
		}
	}
	if postgres {
		if err := rows(ctx); err != nil {
			return fmt.Errorf("PostgreSQL's yardstick: %w", err)
		}
	}
	fmt.Println()
	return nil
}

// usually is the median of how long something takes.
func usually(ctx context.Context, do func(i int) error) (time.Duration, error) {
	var took []time.Duration
	for begun := time.Now(); time.Since(begun) < span; {
		each := time.Now()
		if err := do(len(took)); err != nil {
			return 0, err
		}
		took = append(took, time.Since(each))
		if err := ctx.Err(); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func signatures(ctx context.Context, _ string) error {
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("a token"))
	var signature []byte
	made, err := usually(ctx, func(int) (err error) {
		signature, err = ecdsa.SignASN1(rand.Reader, small, sum[:])
		return err
	})
	if err != nil {
		return err
	}
	checked, err := usually(ctx, func(int) error {
		if !ecdsa.VerifyASN1(&small.PublicKey, sum[:], signature) {
			return fmt.Errorf("%x is no signature", signature)
		}
		return nil
	})
	if err != nil {
		return err
	}
	heavy, err := usually(ctx, func(int) error {
		_, err := rsa.SignPKCS1v15(nil, big, crypto.SHA256, sum[:])
		return err
	})
	if err == nil {
		fmt.Printf("  signatures   ES256 %.0f µs, its verification %.0f µs; RS256 (2048 bits) %.0f µs\n", micro(made), micro(checked), micro(heavy))
	}
	return err
}

const (
	page  = 16 << 10
	pages = 64
)

// flushes writes over what a file has room for already, as databases do.
func flushes(ctx context.Context, dir string) error {
	file, err := os.CreateTemp(dir, "flush-")
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Write(make([]byte, pages*page)); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	text := make([]byte, page)
	took, err := usually(ctx, func(i int) error {
		text[0] = byte(i)
		if _, err := file.WriteAt(text, int64(i%pages*page)); err != nil {
			return err
		}
		return flush(file)
	})
	if err == nil {
		fmt.Printf("  disk         16 KiB written and flushed in %.0f µs, in %s\n", micro(took), dir)
	}
	return err
}

// rows reads and writes PostgreSQL over one connection, each by itself.
func rows(ctx context.Context) error {
	db, err := OpenDatabase("postgres")
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	const n = 10_000
	if _, err := c.Exec(ctx, `CREATE TABLE yardstick (id bigint PRIMARY KEY, what text NOT NULL)`); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, `INSERT INTO yardstick SELECT i, 'row ' || i FROM generate_series(0, $1 - 1) i`, n); err != nil {
		return err
	}
	read, err := usually(ctx, func(i int) (err error) {
		var what string
		return c.QueryRow(ctx, `SELECT what FROM yardstick WHERE id = $1`, i*7919%n).Scan(&what)
	})
	if err != nil {
		return err
	}
	written, err := usually(ctx, func(i int) error {
		_, err := c.Exec(ctx, `INSERT INTO yardstick (id, what) VALUES ($1, 'another')`, n+i)
		return err
	})
	if err == nil {
		fmt.Printf("  PostgreSQL   over one connection a second: %.0f rows read by their key, %.0f inserted and committed\n",
			float64(time.Second)/float64(read), float64(time.Second)/float64(written))
	}
	return err
}
