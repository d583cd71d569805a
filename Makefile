# The commands of this repository; `make help` lists them. Families are the folders of containers/, never listed here.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

PYTHON ?= python3
FAMILY ?= boosting
ALGORITHM ?=
DEVICE ?= cpu
ENGINE ?= process
REGISTRY ?=
MINUTES ?= 10
DECODERS ?=
# The images that `make base-image` made, where it made them; else the public one that the Dockerfiles name.
BASE_IMAGE ?= $(shell docker image inspect sagecask/base >/dev/null 2>&1 && echo sagecask/base)
BUILD_IMAGE ?= $(if $(filter sagecask/base,$(BASE_IMAGE)),sagecask/build)
# One more place where the images' pip looks for wheels, such as builds of torch for CPUs alone.
FIND_LINKS ?=
# The classic builder writes the single-platform Docker schema 2 manifest that SageMaker takes.
export DOCKER_BUILDKIT ?= 0
# As in the images: waiting threads of OpenMP do not spin, which matters where cores are shared.
export OMP_WAIT_POLICY ?= passive

FAMILIES := $(notdir $(patsubst %/pyproject.toml,%,$(wildcard containers/*/pyproject.toml)))
BIN := .venv/bin
PACKAGES := '.[parquet,neural,local,dev]' $(FAMILIES:%='containers/%[cpu]')
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/sagecask/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null)
CREATED = $(shell git log -1 --format=%cI 2>/dev/null)
ALGORITHMS = $(or $(ALGORITHM),$(shell sed -n '/entry-points."sagecask.algorithms"/,/^\[/s/^\([a-z0-9-]*\) *=.*/\1/p' containers/$(FAMILY)/pyproject.toml))

help:  ## list the commands
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/\1\t\2/p' Makefile | expand -t 14
	@echo "families: $(FAMILIES)"

.venv/dependencies: constraints.txt pyproject.toml images/install.py $(wildcard containers/*/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python images/install.py dependencies .venv $(PACKAGES)
	@touch $@

.venv/packages: .venv/dependencies $(shell find src containers -name setup.py -o -name '*.[ch]') setup.py
	$(BIN)/python images/install.py packages --editable .venv $(PACKAGES)
	@touch $@

venv: .venv/packages  ## set up .venv with everything that constraints.txt pins for this machine

demo: venv  ## train on Census-Income, serve, predict, report; ENGINE=docker runs it in the image
	$(BIN)/python examples/census/demo.py --engine $(ENGINE)

check: venv  ## format, lint, types, import contracts, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

# modules of tests side by side; what measures time comes after them, by itself
test: venv  ## the test suite, without an engine or a GPU
	$(BIN)/pytest -m "not image and not gpu and not soak and not alone" \
		--numprocesses logical --maxprocesses 8 --dist loadscope
	$(BIN)/pytest -m "alone and not image and not gpu and not soak"

# what only the benchmarks need: the peers to beat
.venv/bench: .venv/packages
	$(BIN)/python images/install.py dependencies .venv '.[bench]'
	@touch $@

bench: .venv/bench  ## time training, serving and the reading of data beside others
	$(BIN)/python benchmarks/run.py

fuzz: venv  ## look for inputs that break a decoder, MINUTES long, in all or in DECODERS
	tests/fuzz/run.sh $(MINUTES) $(DECODERS)

soak: venv  ## serve under steady load for MINUTES, load models a thousand times; memory must stay flat, answers right
	$(BIN)/pytest -m soak
	$(BIN)/python benchmarks/soak.py --minutes $(MINUTES) --output benchmarks/results/soak.json

docs: venv  ## write the generated pages anew
	$(BIN)/python docs/generate.py

lock: $(BIN)/uv  ## write constraints.txt: one resolution of every package, extra and family
	{ echo '-e .[parquet,neural,local,bench,dev]'; printf -- '-e containers/%s[cpu,gpu]\n' $(FAMILIES); } | \
	$(BIN)/uv pip compile - --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--no-header --no-annotate $(foreach package,sagecask $(FAMILIES:%=sagecask-%),--no-emit-package $(package)) \
		$(LOCK_OPTIONS) --output-file constraints.txt
	cat images/builds.txt >>constraints.txt

$(BIN)/uv:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv

engine:  ## see that a Docker engine answers, installing Debian's where there is none
	images/engine.sh

base-image: engine  ## make sagecask/base and sagecask/build from Debian packages, where no image registry is reached
	images/base.sh

BUILD = docker build --file Dockerfile.$(DEVICE) --network host --build-arg FAMILY=$(FAMILY) \
	$(foreach name,BASE_IMAGE BUILD_IMAGE FIND_LINKS,$(if $($(name)),--build-arg $(name)=$($(name)))) \
	$(foreach name,VERSION REVISION CREATED,--build-arg $(name)=$($(name)))

image:  ## build the images of FAMILY, and of each of its algorithms or ALGORITHM alone, for DEVICE (cpu or gpu)
	$(BUILD) --target family --tag sagecask/$(FAMILY):$(DEVICE) .
	for algorithm in $(ALGORITHMS); do \
		$(BUILD) --build-arg ALGORITHM=$$algorithm --tag sagecask/$$algorithm:$(DEVICE) . || exit 1; done

image-size: venv  ## say where the size of the images of FAMILY goes
	$(BIN)/python images/size.py sagecask/$(FAMILY):$(DEVICE)

# tests that need a GPU run where there is one
GPU_TESTS = $(and $(wildcard /dev/nvidia0),$(filter gpu,$(DEVICE)))

test-image: venv  ## test the images of FAMILY from outside
	FAMILY=$(FAMILY) DEVICE=$(DEVICE) $(BIN)/pytest -m "image$(if $(GPU_TESTS),, and not gpu)" \
		$(wildcard tests/images/test_*.py tests/images/$(FAMILY)) tests/architecture/test_readme.py

push: venv  ## push the tested images of FAMILY to REGISTRY
	for algorithm in $(FAMILY) $(ALGORITHMS); do \
		$(BIN)/sagecask push sagecask/$$algorithm:$(DEVICE) $(REGISTRY) || exit 1; done

.PHONY: help venv demo check test bench fuzz soak docs lock engine base-image image image-size test-image push
