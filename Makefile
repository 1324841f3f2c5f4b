# Everything a contributor runs. `make help` lists it.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
TOOLS       := $(CURDIR)/.cache/bin
GOLANGCI    := $(TOOLS)/golangci-lint
GOLANGCI_VERSION := v2.15.0
SOAK        ?= 5m
REST        ?= 0s
# Without vet, which make lint has run. Tests wait for servers more than they compute: one
# package more at a time than there are processors, and first the one that takes longest.
GOTEST      := go test -vet=off -timeout 40m
AT_ONCE     := $(shell n=$$(nproc); expr $$((n < 8 ? n : 8)) + 1)
# go build compiles the server, and all that it imports, by default.pgo. Tests do without: what the
# server imports would be compiled twice. Targets that make programs for users ask for it.
export GOFLAGS := $(shell go env GOFLAGS) -pgo=off
FUZZTIME    ?= $(if $(SYNCLINE_LONG),10m,10s)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: ## install what the tests need: Debian packages, Go modules, npm packages
	@scripts/setup.sh

.PHONY: build
build: ## build the server and syncctl into bin/
	@echo "the server is compiled by its profile, $$(go tool pprof -comments default.pgo)"
	CGO_ENABLED=0 go build -pgo=auto -ldflags="-s -w" -o bin/ . ./cmd/syncctl

.PHONY: image
image: ## make the container image without a container engine, into bin/image: an OCI layout, and archives for docker load
	cd deploy/image && go run . -o $(CURDIR)/bin/image

.PHONY: test
test: setup ## run all tests; up to 10 minutes on a fresh machine
	$(GOTEST) -p $(AT_ONCE) ./internal/e2e ./...
	cd examples/nats && $(GOTEST) ./...
	cd breez/clients && $(GOTEST) ./...
	cd deploy/checks && $(GOTEST) -count=1 ./... # a result that is kept knows nothing of files outside the module
	npm test --prefix web

.PHONY: verify
verify: setup ## run all tests under the race detector and at full length, hostile clients, clients of Breez data-sync as published, the proof of key recovery, and the fuzz targets
	@scripts/verify.sh $(FUZZTIME)

.PHONY: bench
bench: ## measure this machine; BENCH='-quick' for an impression
	cd bench && go run . $(BENCH)

.PHONY: bench-web
bench-web: setup ## measure the offline store in Chromium beside RxDB, PouchDB and idb; BENCH='--quick' for an impression
	npm run build --prefix web --workspace client
	npm run build --prefix web --workspace testing
	npm ci --prefix web/bench --no-audit --no-fund --loglevel=error
	npm start --prefix web/bench -- $(BENCH)

.PHONY: profile
profile: setup ## take anew the profile that the server is compiled by, default.pgo: a quarter of an hour
	@scripts/profile.sh

.PHONY: soak
soak: setup ## run under mixed load and look for growth; SOAK=1h for longer, REST=50ms for less load; charts in .cache/soak
	SYNCLINE_SOAK=$(SOAK) SYNCLINE_SOAK_REST=$(REST) SYNCLINE_SOAK_CHARTS=$(CURDIR)/.cache/soak go test -count=1 -timeout 0 -v -run '^TestSoak$$' ./internal/e2e

.PHONY: lint
lint: $(GOLANGCI) ## check formatting, style and who may import whom
	$(GOLANGCI) config verify
	$(GOLANGCI) fmt --diff
	$(GOLANGCI) run ./...
	cd bench && $(GOLANGCI) run ./...
	cd examples/nats && $(GOLANGCI) run ./...
	cd breez/clients && $(GOLANGCI) run ./...
	cd deploy/checks && $(GOLANGCI) run ./...
	cd deploy/litestream && $(GOLANGCI) run ./...
	cd deploy/image && $(GOLANGCI) run ./...
	go mod tidy -diff
	go mod tidy -C bench -diff
	go mod tidy -C examples/nats -diff
	go mod tidy -C breez/clients -diff
	go mod tidy -C deploy/checks -diff
	go mod tidy -C deploy/litestream -diff
	go mod tidy -C deploy/image -diff

.PHONY: fmt
fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt

.PHONY: generate
generate: playground ## write generated code and the playground's files anew
	go generate ./...

.PHONY: playground
playground: setup ## build the playground anew into internal/playground/built
	npm run build --prefix web --workspace client
	npm run build --prefix web --workspace playground

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) into .cache/bin (a few minutes, once)"
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
