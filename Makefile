.PHONY: help demo test test-long e2e-kind check clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

demo: ## a live mirrored table on this machine, without a cluster
	@scripts/demo.sh

test: ## every test: unit, integration, e2e on a real cluster
	@scripts/test.sh

test-long: ## the same tests at their full sizes
	@TEST_LONG=1 scripts/test.sh

e2e-kind: ## the e2e tests on kind; needs Docker
	@scripts/e2e-kind.sh

check: ## types, format, lint
	@scripts/setup.sh && npm run --silent check

clean: ## remove what builds and runs have left in this folder
	rm -rf dist .tributary coverage
