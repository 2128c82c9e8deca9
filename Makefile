PYTHON ?= python3

# Where this is set, each of the hundreds of processes of the tests would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv check test test-plain test-modes test-old-dask fuzz fuzz-graphs test-growth test-kill-saves test-benchmarks soak oracle browser test-browser test-torch test-gpu gpu-wheels drawing demo bench bench-all bench-slow bench-peers clean

help:
	@echo "make demo           run the example on a small cluster of this machine"
	@echo "make test           run the tests"
	@echo "make check          lint, formatting, types"
	@echo "make test-plain     the tests of behaviour without what makes loops and runs fast"
	@echo "make test-modes     the same, and without each of these things alone"
	@echo "make test-old-dask  run the cluster tests with the oldest Dask that dflow supports"
	@echo "make fuzz           give each decoder 100,000 broken inputs"
	@echo "make fuzz-graphs    run random programs with queues on TensorFlow, on dflow and on a cluster, for ten minutes"
	@echo "make test-growth    count what many sessions, queues, runs and loops leave in each process"
	@echo "make test-kill-saves  kill a program a hundred times while it saves, and restore its newest checkpoint"
	@echo "make test-benchmarks  run dflow's side of each benchmark in miniature"
	@echo "make soak           run a pipeline again and again, with a random fault in each run, for ten minutes"
	@echo "make oracle         run the same programs on TensorFlow and on dflow"
	@echo "make test-browser   look at the dashboard page in headless Chromium while the example runs"
	@echo "make test-torch     run the tests of df.data.TorchDataset, with PyTorch"
	@echo "make test-gpu       run all checks that need a GPU and write a report; without one, on stand-ins"
	@echo "make gpu-wheels     fill a folder of wheels, for test-gpu on a machine without a network"
	@echo "make drawing        draw the packages and their imports in docs/architecture.md"
	@echo "make bench          run the benchmarks of a few minutes; make bench-all, make bench-slow: the others"
	@echo "make bench-peers    make the environments of TensorFlow, Ray and torch, which these measure too"
	@echo "make venv           only make the virtual environment that these use"
	@echo "make clean          remove what the above have made"
	@echo "PYTHON=python3.12 make ... chooses the Python (3.11 or newer); it is now '$(PYTHON)'"

venv: .venv/dev.stamp

check: .venv/dev.stamp
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

TESTS =

# Processes that run tests side by side.  One that is free takes over a half of what another one still has to do.
WORKERS = 2
PYTEST = pytest -n $(WORKERS) --dist worksteal

# Some of them: make test TESTS="tests/machines -k fifo".  In this process, for a debugger: make test WORKERS=0 TESTS=...
test: .venv/dev.stamp
	.venv/bin/$(PYTEST) $(TESTS)

# The same behaviour without what makes loops and runs fast: batched loops, prefetch, pipelined enqueues, runs without Dask
# tasks, connections without an event loop.
FAST = FAST_LOOPS HOT_RUNS SOCKETS

PLAIN = tests/conformance

test-plain: .venv/dev.stamp
	$(FAST:%=DASK_DFLOW__%=false) .venv/bin/$(PYTEST) $(PLAIN)

test-modes: $(FAST:%=test-without-%) test-plain

test-without-%: .venv/dev.stamp
	DASK_DFLOW__$*=false .venv/bin/$(PYTEST) tests/conformance

OLD_DASK = tests/cluster

test-old-dask: .venv-old/test.stamp
	.venv-old/bin/$(PYTEST) $(OLD_DASK)

# A hundred thousand broken inputs for each decoder; `make test` tries a few hundred.
fuzz: .venv/dev.stamp
	DFLOW_FUZZ=100000 .venv/bin/pytest tests/readers -k "mutated or damage" --timeout=1800

# Ten minutes of random programs: FUZZ="--seconds 3600", FUZZ="--seed 7 --runs 1".
fuzz-graphs: .venv/dev.stamp .venv-oracle/oracle.stamp
	DFLOW_ORACLE=.venv-oracle/bin/python .venv/bin/python -m tests.fuzz_graphs $(FUZZ)

test-growth: .venv/dev.stamp
	DFLOW_GROWTH=1 .venv/bin/pytest tests/cluster/test_growth.py

test-benchmarks: .venv/dev.stamp
	DFLOW_BENCHMARKS=1 .venv/bin/pytest tests/test_benchmarks.py

# A program that saves is killed a hundred times; `make test` kills it five times.
test-kill-saves: .venv/dev.stamp
	DFLOW_KILLS=100 .venv/bin/pytest tests/checkpoints/test_killed_saves.py

# Ten minutes of a pipeline with random faults: SOAK="--runs 500", SOAK="--seed 7 --runs 1".
soak: .venv/dev.stamp
	.venv/bin/python -m tests.soak $(SOAK)

oracle: .venv/dev.stamp .venv-oracle/oracle.stamp
	DFLOW_ORACLE=.venv-oracle/bin/python .venv/bin/pytest tests/oracle tests/fuzz_graphs

.venv-oracle/oracle.stamp: tests/oracle/requirements.txt
	$(PYTHON) -m venv .venv-oracle
	.venv-oracle/bin/python -m pip install --quiet -r $<
	touch $@

CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || echo chromium)

# Playwright from PyPI, and Chromium, from Debian's packages where there is none yet.
browser: .venv/dev.stamp
	.venv/bin/python -m pip install --quiet -e '.[dev,browser]'
	command -v $(CHROMIUM) || { apt-get update && apt-get install --yes chromium; }

test-browser: browser
	DFLOW_BROWSER=$$(command -v $(CHROMIUM)) .venv/bin/pytest tests/browser

test-torch: .venv-torch/test.stamp
	.venv-torch/bin/pytest tests/cluster/test_torch.py

.venv-torch/test.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet -e '.[test]' torch==2.13.0
	touch $@

# Docs of these two: docs/gpu.md.  GPU_PYTHON is the version of the Python on the machine with the GPU.
GPU_PYTHON ?= $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
GPU_REPORT ?= build/gpu.md
GPU_MINUTES ?= 9

gpu-wheels:
	$(PYTHON) -m tests.gpu.wheels fill gpu-wheels --python $(GPU_PYTHON)

test-gpu: .venv-gpu/test.stamp
	PYTHONPATH=$(CURDIR) .venv-gpu/bin/python -m tests.gpu.run --report $(GPU_REPORT) --minutes $(GPU_MINUTES)

.venv-gpu/test.stamp: pyproject.toml
	$(PYTHON) -m tests.gpu.wheels install gpu-wheels .venv-gpu
	touch $@

drawing: .venv/dev.stamp
	.venv/bin/python -m tests.architecture.drawing

demo: .venv/examples.stamp
	.venv/bin/dflow submit examples/train_csv.py

bench: .venv/dev.stamp
	.venv/bin/python benchmarks/run.py

bench-all: .venv/dev.stamp
	.venv/bin/python benchmarks/run.py --set all

# A file of 5 GB; for another one: .venv/bin/python benchmarks/run.py --only memory --megabytes 1000
# 5,000 sessions, 5,000 queues, 1,000,000 runs, 1,000 loops; fewer: benchmarks/run.py --only growth --runs 10000
bench-slow: .venv/dev.stamp
	.venv/bin/python benchmarks/run.py --set slow

bench-peers: $(patsubst %,.venv-peers/%/bench.stamp,tensorflow ray torch)

.venv-peers/%/bench.stamp: benchmarks/peers/%.txt
	$(PYTHON) -m venv .venv-peers/$*
	.venv-peers/$*/bin/python -m pip install --quiet -r $<
	touch $@

clean:
	rm -rf .venv .venv-old .venv-peers .venv-oracle .venv-torch .venv-gpu gpu-wheels build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made once, and again when pyproject.toml changes.
.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/dev.stamp: pyproject.toml | .venv/bin/python
	.venv/bin/python -m pip install --quiet -e '.[dev]'
	touch $@

.venv/examples.stamp: pyproject.toml | .venv/bin/python
	.venv/bin/python -m pip install --quiet -e '.[examples]'
	touch $@

.venv-old/test.stamp: pyproject.toml
	$(PYTHON) -m venv .venv-old
	.venv-old/bin/python -m pip install --quiet -e '.[test]' dask==2026.7.1 distributed==2026.7.1
	touch $@
