package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-jose/go-jose/v4"

	"github.com/valetkey/valetkey/internal/config"
	"github.com/valetkey/valetkey/internal/keys"
)

// clientKeys are the keys by which clients prove who they are, by client_id.
type clientKeys map[string][]jose.JSONWebKey

// mostKeys bounds the keys of one client: an assertion that does not say which
// one it is signed by is tried with all of them.
const mostKeys = 20

// wireKeys reads the public keys of clients, and says what is wrong with each.
func wireKeys(cfg *config.Config) (clientKeys, config.Problems) {
	out := clientKeys{}
	var problems config.Problems
	for _, c := range cfg.Clients {
		key := "clients[" + c.ID + "]"
		written, at := []json.RawMessage(c.JWKS), func(i int) string { return key + ".jwks.keys[" + strconv.Itoa(i) + "]" }
		whole := key + ".jwks"
		if c.JWKSFile != "" {
			whole = key + ".jwks_file"
			at = func(int) string { return whole }
			var sentence string
			if written, sentence = readKeys(string(c.JWKSFile)); sentence != "" {
				problems = append(problems, cfg.Problem(whole, "%s", sentence))
				continue
			}
		}
		if len(written) > mostKeys {
			problems = append(problems, cfg.Problem(whole, "holds %d keys; keep at most %d, the ones in use", len(written), mostKeys))
			continue
		}
		named := map[string]bool{}
		for i, text := range written {
			if text == nil {
				continue // reported with the file's form
			}
			k, err := keys.ParsePublic(text)
			switch {
			case err != nil:
				problems = append(problems, cfg.Problem(at(i), "key %d %s", i+1, err))
			case k.KeyID != "" && named[k.KeyID]:
				problems = append(problems, cfg.Problem(at(i), "key %d has a kid that another key has too; give each its own", i+1))
			default:
				named[k.KeyID] = true
				out[c.ID] = append(out[c.ID], k)
			}
		}
	}
	return out, problems
}

// readKeys reads a file with a JSON Web Key Set, or says what is wrong with it.
func readKeys(path string) ([]json.RawMessage, string) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, "cannot be read; name a file with the client's public keys, such as {\"keys\": […]}"
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &set) != nil || len(set.Keys) == 0 {
		return nil, "is not a file with a JSON Web Key Set; write {\"keys\": […]} with the client's public keys"
	}
	return set.Keys, ""
}
