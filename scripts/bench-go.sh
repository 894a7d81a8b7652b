#!/usr/bin/env bash
# Runs the Go benchmarks of the inner pieces and compares them with a run that
# was kept:
#
#   scripts/bench-go.sh         compares with the kept run, if there is one
#   scripts/bench-go.sh keep    runs, and keeps the run to compare with
#
# PKG narrows the packages, BENCH the benchmarks, COUNT says how often each runs;
# VALETKEY_BENCH_PG=1 has the store's run on PostgreSQL too.
set -euo pipefail
cd "$(dirname "$0")/.."

BENCHSTAT=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
read -r -a packages <<<"${PKG:-./audit ./guard ./internal/keys ./internal/store ./provider ./revocation ./scopes}"

kept=.cache/bench.kept
run=.cache/bench.run
mkdir -p .cache
go test -run '^$' -bench "${BENCH:-.}" -count "${COUNT:-6}" -timeout 30m "${packages[@]}" | tee "$run"
if [ "${1:-}" = keep ]; then
  mv "$run" "$kept"
elif [ -f "$kept" ]; then
  go run "$BENCHSTAT" "$kept" "$run"
else
  go run "$BENCHSTAT" "$run"
fi
