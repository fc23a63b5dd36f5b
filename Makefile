# make demo    the main job, shown on real photographs
# make test    every check and every test
# make quick   the tests that take no more than seconds each, two processes per core, since they often wait
# make check   the static checks alone: ruff, mypy, stubs, clang-format, clang-tidy
# make bench   the benchmark suite (quick); results in bench-out/
# make clean   removes everything that the other targets made, but for the installed models

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
TIDY_OPTIONS = -Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir) \
	-DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
PIP := $(BIN)/pip --disable-pip-version-check
CMAKE := PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/cmake
JOBS := $(shell nproc)
# As pyproject.toml names them, quotes and all.
BUILD_REQUIREMENTS := $(shell sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr -d ',')
CORE_SOURCES := CMakeLists.txt $(shell find cpp -type f)
CXX_FILES := $(shell find cpp tests -name '*.cpp' -o -name '*.h')

.PHONY: demo test quick check core-tests python-tests bench clean

demo: .venv/ready-run
	$(BIN)/sophon models install --if-missing
	$(BIN)/sophon demo $(DEMO)

test: check core-tests python-tests

bench: .venv/ready-bench
	$(BIN)/sophon models install --if-missing
	mkdir -p bench-out
	$(BIN)/pytest benchmarks --benchmark-json=bench-out/benchmarks.json $(BENCH)

check: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sophon._core
	$(BIN)/clang-format --dry-run -Werror $(CXX_FILES)
	$(CMAKE) --preset tidy $(TIDY_OPTIONS) >/dev/null
	$(BIN)/run-clang-tidy.py -quiet -j $(JOBS) -p build/tidy -clang-tidy-binary $(BIN)/clang-tidy '/cpp/(src|bindings|tests)/|_baseline.cpp'

# The core without Python: GCC, Clang, sanitizers, and aarch64 under an emulator.
core-tests: .venv/ready-test
	set -e; for preset in core clang asan tsan aarch64; do $(CMAKE) --workflow --preset $$preset; done

# --- the package, in a virtual environment of the checkout ---

.venv/bin/pip:
	.ci/system-packages run
	$(PYTHON) -m venv .venv

# The build tools are installed first so that the native build can reuse its build directory; setuptools, for the
# dependencies that come as source archives.
.venv/ready-build: .venv/bin/pip pyproject.toml Makefile
	$(PIP) install -q $(BUILD_REQUIREMENTS) cmake ninja 'setuptools>=70.1'
	touch $@

.venv/ready-run: .venv/ready-build pyproject.toml $(CORE_SOURCES)
	.ci/system-packages run
	$(PIP) install -q --no-build-isolation -e '.[server,models]'
	touch $@

.venv/ready-test: .venv/ready-run
	.ci/system-packages test
	$(PIP) install -q --no-build-isolation -e '.[server,models,bench,test]'
	touch $@

.venv/ready-bench: .venv/ready-run
	.ci/system-packages bench
	$(PIP) install -q --no-build-isolation -e '.[server,models,bench]'
	touch $@

python-tests: .venv/ready-test
	$(BIN)/sophon models install --if-missing
	$(BIN)/pytest

quick: .venv/ready-test
	$(BIN)/sophon models install --if-missing
	$(BIN)/pytest -q -m "not slow" -n $$((2 * $(JOBS))) --dist loadfile $(QUICK)

clean:
	rm -rf .venv build dist demo-out bench-out
