# What there is to do here. `make test` is enough to begin with: it installs
# what the tests need and is not there yet, and says so.

GO       ?= go
# RACE=-race has the race detector watch the tests.
RACE     ?=
# PKG narrows test and race to some packages: make test PKG=./credentials/...
PKG      ?= ./...
FUZZTIME ?= 10s

GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.1.4

.PHONY: build test race e2e faults hammer bench bench-peers bench-grown bench-go bench-endings lint fuzz-short vulncheck setup clean

build:            ## the program, as ./valetkey
	$(GO) build -trimpath -o valetkey ./cmd/valetkey

test: setup       ## all tests, on SQLite and PostgreSQL, with a browser and clients in Node and Python
	$(GO) test $(RACE) -timeout 45m $(PKG)

race:             ## the same under the race detector
	$(MAKE) test RACE=-race

e2e: setup        ## only the tests that drive the built program from outside
	$(GO) test -count=1 -timeout 20m ./e2e/...

faults:           ## the tests of what breaks, in their long form
	$(GO) test -count=1 -timeout 30m -tags faults -run 'TestFault' ./e2e/...

hammer:           ## 250,000 malformed requests to every route, on each database
	$(GO) test -count=1 -timeout 30m -tags hammer -run 'TestHammer' ./e2e/

bench:            ## rates, times, processor time and commits of everything the broker does
	$(GO) run ./bench

bench-peers:      ## the broker beside other OpenID Providers, in one run; PEERS='-dex PROGRAM -hydra PROGRAM' adds Dex and Ory Hydra
	scripts/setup.sh bench
	$(GO) run ./bench/peers $(PEERS)

bench-grown:      ## the same table with a million dead credentials behind it, beside an empty past
	$(GO) run ./bench -grown -clients 8 -for 1s

bench-go:         ## the inner pieces, compared with a kept run; KEEP=keep keeps this one
	scripts/bench-go.sh $(KEEP)

bench-endings:    ## how long from an owner's click until every app refuses
	$(GO) run ./bench/endings

lint:             ## formatting, vet, and the rules of .golangci.yml
	scripts/setup.sh lint
	@files="$$(find . -name '*.go' -not -path './.*' -not -path '*/node_modules/*' -exec gofmt -l {} +)"; \
	if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	bin/golangci-lint run ./...

fuzz-short:       ## every fuzz target for FUZZTIME
	scripts/fuzz.sh $(FUZZTIME)

vulncheck:        ## known holes in what we import (asks the Go vulnerability database)
	$(GO) run $(GOVULNCHECK) ./...

setup:            ## installs what the tests need: PostgreSQL, Chromium, Node, Python and their packages
	scripts/setup.sh test

clean:
	rm -rf valetkey bin .cache e2e/out e2e/node/node_modules e2e/browser/node_modules internal/connectors/testdata/oidc-provider/node_modules bench/peers/oidc-provider/node_modules
