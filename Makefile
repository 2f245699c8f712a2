# make help lists the targets. Each sets up .venv itself and leaves the checkout clean.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint types tests unit integration house bench cohorts figures faults killed soak crowd clean install uninstall deb test-systemd

help: ## this list
	@sed -nE 's/^([a-z-]+( [a-z-]+)?):.*## (.*)/\1\t\3/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv/demo ## see it work: embedded PostgreSQL, a sample cohort, one run
	$(BIN)/scorer demo

test: lint types tests ## the whole, as CI runs it: lint, types, every test

lint: .venv/test ## ruff: format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/test ## mypy --strict
	$(BIN)/mypy

unit: .venv/test ## the tests without a database
	$(BIN)/pytest --quiet --numprocesses=2 tests/unit

integration: .venv/test ## the tests on a PostgreSQL, in one process each
	$(BIN)/pytest --quiet --numprocesses=2 --dist=loadfile --no-loadscope-reorder tests/integration

house: .venv/test ## what holds of every file: imports, names, help texts, papers, units
	$(BIN)/pytest --quiet --numprocesses=2 tests/house

tests: .venv/test ## every test, with coverage
	$(BIN)/pytest --quiet --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=10 --cov=scorer --cov-report=term:skip-covered --cov-fail-under=80

# Ours beside the floor and what else one would write, on demand, and the aims: a table, and bench.txt, bench.json and bench.svg in OUT.
# SIZES=1000 for a quick look, SIZES='20000 100000 1000000:3' for growth (rounds after the colon), HISTORY=10000000 for due among scored.
bench: .venv/bench ## speed, beside what else one would write: build/bench
	$(BIN)/python -m tests.benchmarks.bench --sizes $(or $(SIZES),$(VISITS),1000 20000) --rounds $(or $(ROUNDS),5) --requests $(or $(REQUESTS),2000) --history $(or $(HISTORY),0) --out '$(or $(OUT),build/bench)' $(if $(ONLY),--only $(ONLY))

# tests/acceptance/test_faults.py in its long form: each cause lasts a minute, by the settings as shipped. For root, for the network and disks.
faults: .venv/test ## causes of faults that last a minute each
	FAULT_SECONDS=60 $(BIN)/pytest -s tests/acceptance/test_faults.py

# tests/acceptance/test_files_killed.py in its long form: FILES files of a hundred visits each, KILLS kills at random moments.
killed: .venv/test ## a thousand files, scored by a process that is killed twenty times
	FILES=$(or $(FILES),1000) KILLS=$(or $(KILLS),20) $(BIN)/pytest -s tests/acceptance/test_files_killed.py

# Thirty days of hourly runs of two jobs on a compressed clock; prints memory day by day. DAYS=2 for a quick look. JOBS=all: a week of all
# shipped jobs, each on its own schedule, two of which break for a while.
soak: .venv/test ## thirty days of hourly runs on a compressed clock; JOBS=all: a week of all shipped jobs
	$(BIN)/python -m tests.soak.soak --jobs $(or $(JOBS),two) $(if $(DAYS),--days $(DAYS))

# A hundred sessions, ten more each second, that ask for scores for five minutes; prints P50, P95 and P99, and fails where a request is lost.
# SECONDS=20 for a quick look, SESSIONS=200 for more. On this machine alone, and it ends by itself.
crowd: .venv/bench ## a hundred sessions that ask for scores, for five minutes
	$(BIN)/python -m tests.benchmarks.many_sessions --sessions $(or $(SESSIONS),100) --seconds $(or $(SECONDS),300)

# The data sets in DATA, each as its job's source tables, OUT/<job>, which `scorer load OUT/<job> --job <job>` takes (sepsis without --job).
cohorts: .venv/test ## the data sets as the jobs' source tables; DATA=DIR OUT=DIR
	$(BIN)/python -m tests.cohorts '$(DATA)' '$(or $(OUT),build/cohorts)' $(JOBS)

# The shipped models' figures again, from the data sets: DATA=DIR; JOBS='sepsis' for some, JOBS='sepsis@2026.11.28' for an
# older model, on what it was made on. The same seeds and libraries, the same numbers.
figures: .venv/test ## the shipped models' figures again; DATA=DIR
	$(BIN)/python -m tests.benchmarks.figures_again --data '$(DATA)' --reports '$(or $(OUT),build/figures)' $(JOBS)

# For root: the wheel in a venv of its own, the command, the units. PREFIX, DESTDIR and PYTHON are honoured; see systemd/install.sh.
install uninstall: ## put the service in place, or take it away; for root
	PREFIX='$(or $(PREFIX),/usr/local)' DESTDIR='$(DESTDIR)' PYTHON='$(PYTHON)' sh systemd/install.sh $@

# For Debian 12, and on it; OUT, MAINTAINER and SOURCE_DATE_EPOCH are honoured; see systemd/debian/build.sh. No root needed.
deb: ## a Debian package with all Python libraries: build/deb
	OUT='$(or $(OUT),build/deb)' sh systemd/debian/build.sh

# Boots a real systemd in a container and tries the service there. For root, on a machine with debootstrap and systemd-nspawn; minutes.
test-systemd: .venv/test ## the service under a real systemd, in a container; for root
	$(BIN)/pytest tests/systemd --override-ini=testpaths=tests/systemd --durations=10 -v

clean: ## take away .venv and what was built
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage *.egg-info

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "scorer needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded]'
	touch $@

.venv/test: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ .venv/demo

.venv/bench: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@ .venv/demo
