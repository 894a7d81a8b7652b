#!/usr/bin/env bash
# Installs what `make test`, `make bench-peers` and `make lint` need and this machine lacks:
#
#   scripts/setup.sh test    PostgreSQL, PgBouncer, Chromium, Node, Python, a C compiler; the packages of the tests'
#                            parts in Node and, into ./.cache/python, in Python
#   scripts/setup.sh bench   PostgreSQL, Node; the packages of the peer that runs on Node
#   scripts/setup.sh lint    golangci-lint, into ./bin
#
# Does nothing, quickly, when everything is there.
set -euo pipefail
cd "$(dirname "$0")/.."

GOLANGCI_LINT=v2.6.2

say() { echo "setup: $*" >&2; }

has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
  local dir
  for dir in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0
  done
  return 1
}

has_browser() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable headless-shell; do
    has "$name" && return 0
  done
  return 1
}

# debian_packages installs the named Debian packages, or says how to.
debian_packages() {
  local sudo=()
  if ! has apt-get; then
    say "please install, by this system's own means, what Debian calls: $*"
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! has sudo || ! sudo -n true 2>/dev/null; then
      say "please run, as an administrator: apt-get install $*"
      return 1
    fi
    sudo=(sudo -n)
  fi
  say "installing Debian packages: $*"
  "${sudo[@]}" apt-get update -q </dev/null >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "$@" </dev/null >&2
}

# node_packages installs a folder's packages unless that was done. npm leaves a
# copy of the lock file it installed from: older means outdated.
node_packages() {
  local installed=$1/node_modules/.package-lock.json
  if ! [ "$installed" -nt "$1/package-lock.json" ]; then
    say "installing $1's packages with npm ci"
    (cd "$1" && npm ci --no-audit --no-fund </dev/null >&2)
    touch "$installed"
  fi
}

# has_venv reports whether Python can make a folder of packages of its own.
has_venv() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

# python_packages installs e2e/python's packages, unless these very ones are there:
# only files whose digests the list names, none of which runs code to be built.
python_packages() {
  local list=e2e/python/requirements.txt into=.cache/python
  cmp -s "$list" "$into/installed.txt" && return
  say "installing $list into $into"
  rm -rf "$into"
  python3 -m venv "$into" >&2
  "$into/bin/python" -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r "$list" </dev/null >&2
  cp "$list" "$into/installed.txt"
}

new_node() {
  if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    say "Node 20 or newer is needed, and this is $(node --version): please install one (see nodejs.org)"
    return 1
  fi
}

for_bench() {
  local missing=()
  has_postgres || missing+=(postgresql)
  has node || missing+=(nodejs)
  has npm || missing+=(npm)
  if [ "${#missing[@]}" -gt 0 ]; then
    debian_packages "${missing[@]}"
  fi
  new_node
  node_packages bench/peers/oidc-provider
}

for_tests() {
  local missing=()
  has_postgres || missing+=(postgresql)
  has pgbouncer || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
  has_browser || missing+=(chromium)
  has node || missing+=(nodejs)
  has npm || missing+=(npm)
  has_venv || missing+=(python3 python3-venv)
  # The race detector needs cgo.
  has gcc || has clang || missing+=(gcc libc6-dev)
  if [ "${#missing[@]}" -gt 0 ]; then
    debian_packages "${missing[@]}"
  fi
  new_node

  if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    say "e2e/python needs Python 3.10 or newer, and this is $(python3 --version): please install one"
    return 1
  fi

  python_packages & # all of this waits for the network, so it may do it at once
  local python=$!
  node_packages e2e/node
  node_packages e2e/browser
  node_packages internal/testkit/testdata/oidc-provider
  wait "$python"
}

is_wanted_lint() { [ -x "$1" ] && "$1" version 2>/dev/null | grep -qF " ${GOLANGCI_LINT#v} "; }

for_lint() {
  is_wanted_lint bin/golangci-lint && return
  mkdir -p bin
  local found
  for found in "$(command -v golangci-lint || true)" "$(go env GOPATH)/bin/golangci-lint"; do
    if is_wanted_lint "$found"; then
      say "using $found"
      ln -sf "$found" bin/golangci-lint
      return
    fi
  done
  say "installing golangci-lint $GOLANGCI_LINT into ./bin (some minutes)"
  rm -f bin/golangci-lint
  GOBIN="$PWD/bin" GOFLAGS= go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$GOLANGCI_LINT"
}

case "${1:-}" in
test) for_tests ;;
bench) for_bench ;;
lint) for_lint ;;
*)
  echo "usage: scripts/setup.sh test|bench|lint" >&2
  exit 2
  ;;
esac
