#!/usr/bin/env bash
# Runs every fuzz target of every package for a while: scripts/fuzz.sh 10s
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${1:-10s}
for package in $(go list ./...); do
  dir=$(go list -f '{{.Dir}}' "$package")
  # -h and -o: only the names, from files that exist.
  names=$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' || true)
  for name in $names; do
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" "$package"
  done
done
