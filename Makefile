# make alone lists the targets. A bare Debian machine with Go and make is enough: .ci/need installs the rest.

GO      ?= go
GOFMT   ?= gofmt
NPM     ?= npm
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Tools are pinned here, and run with their own dependencies, so that go.mod holds only what the program needs.
STATICCHECK   := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.DEFAULT_GOAL := help
.PHONY: demo test conformance clients bench lint build help

demo: ## Watch an agent work on a local project, under row level security
	@.ci/need certificates postgresql
	@$(GO) run . demo

test: ## Run every test, with the race detector
	@.ci/need certificates compiler postgresql node apertium
	@$(MAKE) -s e2e/npm/node_modules peers
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

conformance: ## Hold the HTTP stack to the official MCP conformance suite
	@.ci/need certificates node
	@$(MAKE) -s e2e/conformance/node_modules
	CONFORMANCE=1 $(GO) test -count=1 -v ./e2e/conformance

clients: ## Let real MCP clients use the program (Linux; 1.4 GB from npm)
	@.ci/need certificates postgresql node
	@$(MAKE) -s e2e/clients/node_modules
	$(GO) run ./e2e/clients

bench: ## Measure; no test asserts a time
	@.ci/need certificates postgresql
	$(GO) test -run '^$$' -bench . -benchmem -timeout 30m ./...
	$(GO) run ./e2e/bench

lint: ## Check format, correctness, style and known vulnerabilities
	@.ci/need certificates
	@files=$$($(GOFMT) -l .) && test -z "$$files" || { echo "run gofmt -w on:"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(GOLANGCI_LINT) run
	@.ci/vulncheck $(GO) run $(GOVULNCHECK)

build: ## Build one static program, bin/functions-mcp
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/functions-mcp \
		-ldflags '-s -w -X github.com/run402/functions-mcp/internal/app.version=$(VERSION)' .

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Servers that tests talk to, into Go's cache: minutes the first time, nothing after that.
.PHONY: peers
peers:
	cd e2e/peers && $(GO) tool -n mailpit >/dev/null && $(GO) tool -n versitygw >/dev/null

# The peers that e2e drives, exactly as their lock files name them.
e2e/%/node_modules: e2e/%/package.json e2e/%/package-lock.json
	cd e2e/$* && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
