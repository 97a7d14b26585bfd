# make sandbox   try the bot in a browser: no Telegram account, no token
# make test      every check that CI runs
# make install   only prepare .venv

PYTHON ?= python3
# PyTorch's own index has the CPU build; elsewhere pip takes gigabytes of CUDA on x86 Linux. Set it to a mirror of yours.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH = torch==2.13.0
HOST ?= 127.0.0.1
PORT ?= 7860
MODEL ?=

VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
CHROMIUM = /usr/bin/chromium

.PHONY: sandbox install test bench-peers clean

sandbox: install
	@$(BIN)/python -m bot sandbox --host $(HOST) --port $(PORT) $(if $(MODEL),--model $(MODEL))

install: $(VENV)/.installed

test: $(VENV)/.tested chromium
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-deps --retries 0 --timeout 10 --index-url $(TORCH_INDEX) $(TORCH) \
	  || $(PIP) install --no-deps $(TORCH)
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml requirements.lock
	$(PIP) install --quiet --constraint requirements.lock --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) install --quiet --constraint requirements.lock --editable '.[test]'
	@touch $@

# The browser test drives Debian's Chromium. Where it cannot be installed that test is skipped, and says so.
.PHONY: chromium
chromium:
	@test -x $(CHROMIUM) || { command -v apt-get >/dev/null && apt-get install --yes --quiet chromium fonts-noto-cjk; } \
	  || { echo 'Chromium cannot be installed here: the browser test will be skipped.'; test -z "$$CI"; }

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
