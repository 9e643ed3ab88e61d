# make          says what there is
# make demo     needs Python 3.11 or later, git and make; everything else is brought here, into .venv and .tools

PY := .venv/bin/python
UV = $$(scripts/bootstrap uv)
# Unit tests go by simulated time, so a busy machine changes nothing. The others start servers of their own, by the file.
EACH_CORE = -n auto -p no:benchmark
BY_THE_FILE = --dist loadfile --no-loadscope-reorder -p no:benchmark
EACH_FILE = -n auto --maxprocesses 4 $(BY_THE_FILE)
# The slow ones wait half of their time, so two cores have room for three.
EACH_SLOW_FILE = -n 3 $(BY_THE_FILE)
COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# Compiled modules are kept, whatever the shell says: each run, and each process that a test starts, would compile anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install pictures demo test test-unit test-slow test-all soak bench lint format types docs capture lock wheel audit-deps clean

help:
	@echo 'make demo        the whole worker on an embedded mailbox with sample mail, in under a minute'
	@echo 'make test        the tests (installs Dovecot with apt-get when it is missing and you are root)'
	@echo 'make test-slow   the slow ones: state machines at length, the container, the page in a browser, each fault'
	@echo 'make test-all    these, those, and the long ones: the fault matrix, crash loops, thousands of messages with poison, hostile ones'
	@echo 'make soak        property tests with 20,000 examples, broken mail without end, mutation tests of guard and accounting: hours'
	@echo 'make bench       what it costs, next to the floor; over a link; and peers, where they are installed'
	@echo 'make lint types  style, contracts between rooms, Dockerfile; strict types'
	@echo 'make docs        the generated pages anew, and the documentation as a site in .tools/site'
	@echo 'make pictures    the pictures of the page and of the demo anew, and what README shows of the demo'
	@echo 'make capture     the record of what is seen from outside anew, after it was changed on purpose'
	@echo 'make wheel       the wheel, in dist/: the same bytes from the same commit'
	@echo 'make lock        the lock files anew from pyproject.toml'
	@echo 'make audit-deps  known vulnerabilities of what is locked (asks a public service)'

install:
	@scripts/bootstrap venv

demo: install
	@scripts/bootstrap system run
	@.venv/bin/nhsmail-worker demo

test: install
	@scripts/bootstrap system test
	@$(PY) -m pytest -q $(EACH_CORE) -m 'not slow and not long' tests/unit
	@$(PY) -m pytest -q $(EACH_FILE) -m 'not slow and not long' --ignore tests/unit

test-unit: install
	@scripts/bootstrap system run
	@$(PY) -m pytest -q $(EACH_CORE) -m 'not slow and not long' tests/unit

test-slow: install
	@scripts/bootstrap system test containers
	@scripts/bootstrap servers
	@$(PY) -m pytest -q $(EACH_CORE) -m slow tests/unit
	@$(PY) -m pytest -q $(EACH_SLOW_FILE) -m slow --ignore tests/unit

test-all: install
	@scripts/bootstrap system test containers
	@scripts/bootstrap servers
	@$(PY) -m pytest -q

soak: install
	@scripts/bootstrap system test containers
	@scripts/bootstrap servers
	@HYPOTHESIS_PROFILE=soak $(PY) -m pytest -q -o timeout=0
	@$(PY) -m tests.fuzz.message --seconds 600
	@.venv/bin/mutmut run
	@.venv/bin/mutmut results

# The bench measures what people install: with the locked libraries of scripts/install, and no others.
bench: install
	@scripts/bootstrap system test
	@PYTHON=$(PY) scripts/install .tools/installed
	@BENCH_PYTHON=.tools/installed/bin/python $(PY) -m bench
	@$(PY) -m bench.classify_report
	@$(PY) -m pytest -q -s bench/bench_classify.py

lint: install
	@.venv/bin/ruff check -q
	@.venv/bin/ruff format -q --check
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/mkdocs build --strict  # with -q, warnings don't count
	@if [ -e Dockerfile ]; then .venv/bin/hadolint Dockerfile; fi

format: install
	@.venv/bin/ruff check -q --fix
	@.venv/bin/ruff format -q

types: install
	@.venv/bin/mypy

docs: install
	@$(PY) -m worker.settings.reference > docs/configuration.md.part
	@mv docs/configuration.md.part docs/configuration.md
	@$(PY) -m worker.message.message_page > docs/message.md.part
	@mv docs/message.md.part docs/message.md
	@$(PY) -m worker.handling.handler_page > docs/handler-settings.md.part
	@mv docs/handler-settings.md.part docs/handler-settings.md
	@$(PY) -m worker.logs > docs/events.md.part
	@mv docs/events.md.part docs/events.md
	@$(PY) -m worker.login.expiry_page > docs/expiry.md.part
	@mv docs/expiry.md.part docs/expiry.md
	@$(PY) -m worker.observe.audit > docs/audit.md.part
	@mv docs/audit.md.part docs/audit.md
	@$(PY) -m worker.login.endpoint_page > docs/sign-in-errors.md.part
	@mv docs/sign-in-errors.md.part docs/sign-in-errors.md
	@$(PY) -m worker.observe.alerts_page > docs/alerts.md.part
	@mv docs/alerts.md.part docs/alerts.md
	@$(PY) -m worker.cli.man_page share
	@$(PY) scripts/shipped.py licences > docs/licences.md.part
	@mv docs/licences.md.part docs/licences.md
	@.venv/bin/mkdocs build --strict  # with -q, warnings don't count

pictures: install
	@scripts/bootstrap system test
	@PYTHONPATH=. $(PY) scripts/pictures.py

capture: install
	@scripts/bootstrap system run
	@$(PY) scripts/capture.py > tests/data/captured.txt.part
	@mv tests/data/captured.txt.part tests/data/captured.txt

lock:
	@$(COMPILE) --all-extras --group dev pyproject.toml -o requirements-dev.lock
	@$(COMPILE) --extra oauth --extra postgres --extra queue --extra objects --extra proxy pyproject.toml -o requirements.lock
	@$(COMPILE) --all-extras -c requirements-dev.lock pyproject.toml -o requirements-all.lock
	@$(COMPILE) --no-annotate -c requirements-dev.lock --group build -o requirements-build.lock

# The time in the archive is the last commit's (or SOURCE_DATE_EPOCH, where it is set), so that anybody can build it again.
DIST = dist
wheel: install
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 315532800)} \
		$(UV) build -q --wheel --no-build-isolation --python $(PY) --out-dir $(DIST) .

audit-deps: install
	@.venv/bin/pip-audit --strict --require-hashes --disable-pip -r requirements-dev.lock

clean:
	@rm -rf .venv .tools dist mutants .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
