# Every command of the project. `make help` lists them.
PYTHON_IN = .venv/bin/python
STACK = $(PYTHON_IN) -m stack
UV = .venv/bin/uv

# Python keeps what it compiles: else every start would compile all packages again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up dev status logs demo run probe check alerts asvs generate reference docs test coverage bench chaos-mail migrate subgraph rename supergraph release-schemas protos explorer pictures router router-from-source lock format clean setup setup-stack

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | awk -F'\t' '{printf "  make %-20s %s\n", $$1, $$2}'

setup:
	@PYTHON="$(PYTHON)" stack/setup.sh dev

setup-stack:  # what a running stack needs, without the tools and the tests' packages
	@PYTHON="$(PYTHON)" stack/setup.sh stack

up: setup-stack  ## start everything on this machine; Ctrl-C stops it (ROUTER=stand-in for the Node gateway)
	@exec $(STACK) up $(if $(ROUTER),--router $(ROUTER)) $(if $(VERBOSE),--verbose)

dev: setup-stack  ## the same, and restart what an edit concerns
	@exec $(STACK) dev $(if $(ROUTER),--router $(ROUTER)) $(if $(VERBOSE),--verbose)

status: setup-stack  ## list the processes of a running stack: port, health, version
	@exec $(STACK) status

logs: setup-stack  ## follow the logs of a running stack, or of one process (SERVICE=tweets)
	@exec $(STACK) logs $(if $(SERVICE),--service $(SERVICE))

demo: setup-stack  ## show a running stack at work: two people tweet and retweet
	@exec $(STACK) demo

run: setup-stack  ## run a command of a service with its settings: SERVICE=auth ARGS="accounts show ada"
	@exec $(STACK) run $(or $(SERVICE),$(error Name it: make run SERVICE=auth)) $(or $(ARGS),--help)

probe: setup-stack  ## use a running stack once as people do, and show how long each step took
	@$(PYTHON_IN) -m deploy.prober once

check: setup  ## all that needs no server: format, lint, types, layers, images and manifests, unit and contract tests
	@$(PYTHON_IN) -m deploy.check $(if $(ALL),--all) $(PARTS)

alerts:  ## test the alert rules with promtool (from PATH, or with Docker)
	@deploy/observability/test-rules.sh

asvs: setup  ## list the rows of OWASP ASVS 5.0 on authentication, sessions and tokens, with the tests of each
	@$(PYTHON_IN) -m deploy.asvs

generate: setup  ## write what follows from services.toml: Compose, manifests, policies, lists of images
	@$(PYTHON_IN) -m deploy.generate
	@$(PYTHON_IN) -m deploy.reference

reference: setup  ## write docs/reference/ from the code: schema, settings, events, errors, metrics, limits
	@$(PYTHON_IN) -m deploy.reference

docs: setup  ## build the documentation as a site into site/ (SERVE=1 serves it)
	@exec $(PYTHON_IN) -m deploy.docs $(if $(SERVE),serve)

# Each process of the tests runs a stack of its own, which needs a gigabyte and half a core.
test: setup  ## run every test, or those in T=path; both routers with ROUTERS=router,stand-in
	@CHIRP_E2E_ROUTERS="$(or $(ROUTERS),$(CHIRP_E2E_ROUTERS))" $(PYTHON_IN) -m pytest \
		$(or $(T),--numprocesses $(or $(PROCESSES),3) --no-loadscope-reorder) $(ARGS)

coverage: setup  ## branch coverage of the unit and integration tests, without the end-to-end tests
	@rm -f .coverage*
	@$(PYTHON_IN) -m coverage run -m pytest tests/unit tests/integration $(ARGS)
	@$(PYTHON_IN) -m coverage combine --quiet && $(PYTHON_IN) -m coverage report

chaos-mail: setup  ## kill everything at random for five minutes and count lost mails (CHAOS_SECONDS=…)
	@CHAOS_SECONDS="$(or $(CHAOS_SECONDS),300)" $(PYTHON_IN) -m pytest tests/chaos --timeout 3600

bench: setup  ## what each layer costs here, beside what else there is (ROWS=…, BENCH="--rounds 2 --seconds 2")
	@$(PYTHON_IN) -m bench $(ROWS) $(BENCH)
	@$(PYTHON_IN) -m bench.report

migrate: setup-stack  ## bring the databases to the newest schema
	@exec $(STACK) migrate

subgraph: setup  ## write a new subgraph that works at once: NAME=likes (singular: ITEM=like; EXTENDS=tweets or auth; SUBSCRIPTION=1)
	@$(PYTHON_IN) -m deploy.scaffold $(or $(NAME),$(error Name it: make subgraph NAME=likes)) \
		$(if $(ITEM),--item $(ITEM)) $(if $(EXTENDS),--extends $(EXTENDS)) \
		$(if $(SUBSCRIPTION),--subscription)

rename: setup  ## give the product another name: NAME in identifiers, TITLE on pages and in mails
	@$(PYTHON_IN) -m deploy.rename "$(NAME)" $(if $(TITLE),"$(TITLE)") && \
		$(PYTHON_IN) -m deploy.generate && $(STACK) supergraph && $(PYTHON_IN) -m deploy.reference && \
		$(PYTHON_IN) -m ruff format --quiet .

supergraph: setup  ## export the subgraphs' schemas and compose the supergraph
	@$(STACK) supergraph
	@$(PYTHON_IN) -m deploy.reference

release-schemas: setup  ## record the schemas of a release, from which breaking changes are counted
	@$(PYTHON_IN) -m deploy.schema_changes --release

protos: setup  ## generate the messages of auth's gRPC services, for it and for its clients
	@for target in sessions:subgraphs/auth sessions:chassis/sessions \
			account_mails:subgraphs/auth account_mails:notifier; do \
		$(PYTHON_IN) -m grpc_tools.protoc --proto_path=subgraphs/auth --python_out=$${target#*:} \
			--pyi_out=$${target#*:} $${target%:*}.proto || exit 1; \
	done

explorer: setup  ## build the page at the front door (make up does, when its sources have changed)
	@exec $(STACK) explorer

router: setup-stack  ## install the Apollo Router: download the release, or build it
	@exec $(STACK) router

router-from-source: setup-stack  ## build the Apollo Router (cargo, about 25 minutes on two cores)
	@exec $(STACK) router-from-source

pictures: setup  ## take the screenshots of the explorer in docs/img, and measure how fast it is shown
	@$(PYTHON_IN) -m docs.img.explorer

format: setup  ## format the code and mend what the linter can
	@$(PYTHON_IN) -m ruff format .
	@$(PYTHON_IN) -m ruff check --fix .

lock: setup  ## pin what requirements/*.in name, with hashes
	@cd requirements && for input in *.in; do \
		echo "==> requirements/$$input"; \
		../$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --allow-unsafe $(LOCK_ARGS) "$$input" -o "$${input%.in}.txt" || exit 1; \
	done

clean:  ## remove what was made here: environment, packages, data (.env and the router's cache stay)
	@rm -rf .venv .data site explorer/dist .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
	@rm -rf packages/*/build packages/*/src/*.egg-info packages/*/.mypy_cache packages/*/.hypothesis
	@find . -name node_modules -type d -prune -exec rm -rf {} +
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
