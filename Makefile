# make sandbox   try the bot in a browser: no Telegram account, no token
# make test      every check that CI runs
# make install   only prepare .venv
# make bench-peers  measure Tandem beside llama.cpp and OpenVINO (writes $(BENCH_DIR)/peers.json)
# make pictures  renew the pictures of the documents
# make lock      renew requirements.lock

PYTHON ?= python3
# PyTorch's own index has the CPU build; elsewhere pip takes gigabytes of CUDA on x86 Linux. Set it to a mirror of yours.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH = 2.13.0
HOST ?= 127.0.0.1
PORT ?= 7860
MODEL ?=
BENCH_DIR ?= .bench

VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
CHROMIUM = /usr/bin/chromium

.PHONY: sandbox install test lint pictures chromium postgresql bench-peers lock clean

sandbox: install
	@$(BIN)/python -m bot sandbox --host $(HOST) --port $(PORT) $(if $(MODEL),--model "$(MODEL)")

install: $(VENV)/.installed

test: $(VENV)/.tested lint chromium postgresql
	$(BIN)/python -m pytest

# Beside llama.cpp and OpenVINO, on the same weights; their environments and models are made there on demand.
bench-peers: $(VENV)/.installed
	PYTHONPATH=. TORCH_INDEX=$(TORCH_INDEX) $(BIN)/python tests/bench/peers/run.py $(BENCH_DIR) $(if $(QUICK),--quick)

pictures: $(VENV)/.tested chromium
	TANDEM_PICTURES=docs/images $(BIN)/python -m pytest tests/e2e/test_browser.py

lint: $(VENV)/.tested
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The index is asked once and briefly: where it cannot be reached, pip looks where this machine is set up to look.
$(VENV)/.torch-$(TORCH):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Tandem needs Python 3.11 or newer. Name one: make PYTHON=python3.12 …'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-deps --retries 0 --timeout 10 --index-url $(TORCH_INDEX) torch==$(TORCH) \
	  || $(PIP) install --quiet --no-deps torch==$(TORCH)
	@touch $@

$(VENV)/.installed: $(VENV)/.torch-$(TORCH) pyproject.toml requirements.lock
	$(PIP) install --quiet --constraint requirements.lock --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) install --quiet --constraint requirements.lock --editable '.[test]'
	@touch $@

# The browser test drives Debian's Chromium. Where it cannot be installed that test is skipped, and says so; in CI never.
chromium:
	@test -x $(CHROMIUM) \
	  || { apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends \
	         chromium fonts-noto-cjk fonts-noto-color-emoji; } \
	  || { echo 'Chromium cannot be installed here: the browser test will be skipped.'; test -z "$$CI"; }

# The history is tested on PostgreSQL too. Where it cannot be installed those tests are skipped, and say so; in CI never.
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	  || { apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends postgresql; } \
	  || { echo 'PostgreSQL cannot be installed here: the history is tested on SQLite only.'; test -z "$$CI"; }

# The newest releases that pyproject.toml allows, as a fresh environment gets them.
lock:
	$(MAKE) VENV=.venv-lock .venv-lock/.torch-$(TORCH)
	.venv-lock/bin/python -m pip --disable-pip-version-check install --quiet '.[test]'
	{ sed '/^[^#]/,$$d' requirements.lock; \
	  .venv-lock/bin/python -m pip freeze --exclude tandem-bot | sed 's/+cpu$$//' | LC_ALL=C sort --ignore-case; \
	} > .venv-lock/requirements.lock
	mv .venv-lock/requirements.lock requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
