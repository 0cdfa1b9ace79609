# From a bare clone to a result: every target first sets up .venv as far as that is needed.
# PYTHON=... chooses the interpreter, ARGS=... adds arguments to the command behind a target.
PYTHON ?= python3
ARGS ?=
STUDY_ARGS ?= --seeds 3 --steps 3000 --losses non_saturating least_squares wasserstein_gp relativistic+r1+r2
RESULTS ?= results/gpu
BIN := .venv/bin
# As many test processes as cores, up to four, of one thread each: most tests keep one core busy, and
# threads of several processes would wait for each other. A file stays in one process: its fixtures.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile
CSRC = $(shell find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')

.DEFAULT_GOAL := help
.PHONY: help env study test test-slow asan accuracy results bench bench-record gpu-check wheel format check clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "make %-12s %s\n", $$1, $$2 }'

env: ## the environment in .venv with the extension built, nothing else
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) on PATH; set PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) tools/environment.py

study: env ## which GAN objective drops modes: table, pictures and report.html in runs/mode-collapse
	@$(BIN)/genbench study mode-collapse --out runs/mode-collapse $(STUDY_ARGS) $(ARGS)

test: env ## the test suite
	@$(PYTEST) $(ARGS)

test-slow: env ## the same with ten times the generated cases, and the tests marked slow
	@$(PYTEST) --hypothesis-profile=slow -m "slow or not slow" $(ARGS)

asan: env ## the operations' tests under address and undefined-behaviour sanitizers
	@$(BIN)/python tools/sanitize.py

accuracy: env ## measure the operations' errors and write docs/accuracy.md
	@$(BIN)/python tests/ops/accuracy.py

results: env ## the studies of docs/results.md again, about two hours on two cores; ARGS=quick: one
	@$(BIN)/python tools/results.py $(ARGS)

bench: env ## time each operation against eager torch, torch.compile and libraries
	@$(BIN)/python -m pytest benchmarks/ --benchmark-only -q --benchmark-columns=median,iqr,rounds $(ARGS)

bench-record: env ## the same into benchmarks/results/cpu.json, its tables and picture, README
	@$(BIN)/python -m pytest benchmarks/ --benchmark-only -q \
		--benchmark-json=benchmarks/results/cpu.json $(ARGS)
	@$(BIN)/python -m benchmarks.report benchmarks/results/cpu.json \
		--out docs/benchmarks --readme README.md

gpu-check: ## with an NVIDIA GPU and no network: build, test, sanitize, time; RESULTS=DIR
	@$(PYTHON) tools/gpu_check.py --results $(RESULTS)

wheel: env ## a source distribution and the wheel built from it, in dist/
	@rm -rf dist
	@$(BIN)/python setup.py -q sdist
	@GENBENCH_BUILD=require $(BIN)/python -m pip wheel -q --no-build-isolation --no-deps -w dist dist/*.tar.gz
	@ls -1 dist

format: env ## rewrite Python and C++ as ruff and clang-format want them
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $(CSRC)

check: env ## all that CI runs: lint, types, csrc without torch, tests on both backends
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/clang-format --dry-run -Werror $(CSRC)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@$(BIN)/torch-abi-audit --check torch genbench/_ops*.so
	$(BIN)/cmake --fresh --log-level=WARNING -S . -B build/cmake -G Ninja \
		-DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja >/dev/null
	$(BIN)/cmake --build build/cmake -- --quiet
	$(BIN)/ctest --test-dir build/cmake --output-on-failure --no-tests=error --quiet
	@$(BIN)/python tools/sanitize.py
	GENBENCH_BACKEND=reference $(PYTEST) -q tests/ops
	$(PYTEST) $(ARGS)

clean: ## remove what was built and cached; .venv and runs stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .benchmarks
	find genbench -name '*.so' -delete
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
