# Everything a newcomer needs: `make` lists it. Each target does its own set-up.
#
# Cache (Envoy, its descriptors, the API server for tests): $MELTEMI_CACHE, else $XDG_CACHE_HOME/meltemi, else
# ~/.cache/meltemi. Narrow a target to one crate with CRATE=pilot-envoy.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PROFILE ?= dev
CRATE ?=
PACKAGES = $(if $(CRATE),--package $(CRATE),--workspace)
CACHE = $(or $(MELTEMI_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/meltemi),$(HOME)/.cache/meltemi)

step = @printf '\n==> %s\n' '$(1)'

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: setup-envoy setup-apiserver ## Fetch Envoy, and build the API server that tests need

.PHONY: setup-envoy
setup-envoy:
	$(call step,Envoy and the descriptors of its API)
	@$(CARGO) xtask setup

# Exit code 3 means that there is no Go to build it with: then the tests that need it are skipped, and say so, unless
# MELTEMI_REQUIRE_ALL is set.
.PHONY: setup-apiserver
setup-apiserver:
	$(call step,API server for tests)
	@tools/build-apiserver.sh || { code=$$?; \
	  if [ $$code -eq 3 ] && [ "$${MELTEMI_REQUIRE_ALL:-0}" = 0 ]; then \
	    echo '*** Tests that need a Kubernetes API server will be SKIPPED.' >&2; \
	  else exit $$code; fi; }
	$(call step,CRDs of Istio for tests)
	@tools/fetch-istio-crds.sh || { code=$$?; \
	  if [ $$code -eq 3 ] && [ "$${MELTEMI_REQUIRE_ALL:-0}" = 0 ]; then \
	    echo "*** Tests that need Istio's CRDs will be SKIPPED." >&2; \
	  else exit $$code; fi; }

.PHONY: build
build: setup-envoy ## Build the meltemi binary
	$(call step,Build)
	@$(CARGO) build --profile $(PROFILE) --bin meltemi

.PHONY: run
run: build ## Build, and run the shop example on this machine: no cluster, no root
	@$(CARGO) run --quiet --profile $(PROFILE) --bin meltemi -- up examples/shop

.PHONY: test
test: setup ## Set up, then check format and lints and run all tests
	$(call step,Format)
	@$(CARGO) fmt --all --check
	$(call step,Lints)
	@$(CARGO) clippy --workspace --all-targets -- --deny warnings
	$(call step,Tests)
	@$(CARGO) test --workspace --no-fail-fast
	@printf '\nmake test: format, lints and all tests pass\n'

.PHONY: bless
bless: setup ## Accept new golden outputs; then read the diff (CRATE=... for one crate)
	@$(CARGO) xtask bless $(CRATE)
	@git status --short -- '*.out.yaml' '*.snap'

# First the property tests with many more inputs (256 is their default; the other tests run along, once). Then the targets in fuzz/, guided
# by coverage, FUZZ_SECONDS each, where cargo-fuzz is installed; it needs no nightly toolchain, because no sanitizer is used.
FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: setup-envoy ## Run the property tests for long, then the fuzz targets (CRATE=..., PROPTEST_CASES=..., FUZZ_SECONDS=...)
	$(call step,Property tests)
	@PROPTEST_CASES=$${PROPTEST_CASES:-20000} $(CARGO) test $(PACKAGES) --no-fail-fast --tests
	$(call step,Fuzz targets)
	@if ! $(CARGO) fuzz --version >/dev/null 2>&1; then \
	  echo '*** cargo-fuzz is not here: fuzz targets run no further than in `make test`. To have it: cargo install cargo-fuzz' >&2; \
	else for target in $(notdir $(basename $(wildcard fuzz/targets/*.rs))); do \
	  mkdir -p "fuzz/corpus/$$target"; \
	  $(CARGO) fuzz run --sanitizer none "$$target" "fuzz/corpus/$$target" "fuzz/seeds/$$target" -- \
	    -max_total_time=$(FUZZ_SECONDS); \
	done; fi

.PHONY: bench
bench: setup-envoy ## Measure what docs/benchmarks.md reports
	@$(CARGO) xtask bench

.PHONY: clean-cache
clean-cache: ## Remove the fetched Envoy and the built API server
	rm -rf '$(CACHE)/envoy' '$(CACHE)/kube' '$(CACHE)/istio-crds'
