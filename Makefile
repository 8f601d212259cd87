# Everything runs in $(VENV), which is made when it is missing.
PYTHON = python3
VENV = .venv
PORT = 8077
TESTS = ler

demo: $(VENV)/.demo
	$(VENV)/bin/python -m ler.demo --port $(PORT)

demo-mlx: $(VENV)/.demo-mlx
	$(VENV)/bin/python -m ler.demo --mlx --port $(PORT)

test: $(VENV)/.dev
	$(VENV)/bin/python -m twisted.trial $(TESTS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/.docs
	$(VENV)/bin/sphinx-build -W --keep-going -b html docs build/docs

check: lint test
	$(VENV)/bin/towncrier build --draft --version next

clean:
	rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The tests and the demo run what is in the checkout, which Python finds first; the installation
# brings the dependencies.  A build folder of old would bring back modules that are gone.
$(VENV)/.demo: EXTRAS = demo
$(VENV)/.demo-mlx: EXTRAS = demo-mlx
$(VENV)/.dev: EXTRAS = demo,dev
$(VENV)/.docs: EXTRAS = docs
$(VENV)/.demo $(VENV)/.demo-mlx $(VENV)/.dev $(VENV)/.docs: setup.cfg
	$(PYTHON) -m venv $(VENV)
	rm -rf build
	$(VENV)/bin/pip install --quiet --disable-pip-version-check '.[$(EXTRAS)]'
	touch $@

.PHONY: demo demo-mlx test lint docs check clean
