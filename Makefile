# Everything goes through tools/bootstrap.py, which sets up .venv first. Another Python: make test PYTHON=python3.12
PYTHON ?= python3
ARGS ?=
BOOTSTRAP := $(PYTHON) tools/bootstrap.py
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make lock"

.PHONY: help setup demo test test-slow test-install lint format lock wheel bench train train-small train-judge tune measure-tempo tune-tempo docs protocol device device-preview clean

help:  ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf 'make %-16s%s\n' "$$name" "$$what"; done

setup:  ## make the environment in .venv, or bring it up to date
	@$(BOOTSTRAP) setup

demo:  ## convert the bundled song
	@$(BOOTSTRAP) demo $(ARGS)

test:  ## run the tests (ARGS are pytest's)
	@$(BOOTSTRAP) test $(ARGS)

test-slow:  ## run the tests that take long or need the network
	@$(BOOTSTRAP) test -m slow $(ARGS)

test-install:  ## install the wheel with the lock into an empty environment, without this checkout
	@$(BOOTSTRAP) test -m slow tests/setup $(ARGS)

lint:  ## check style and types
	@$(BOOTSTRAP) run ruff check .
	@$(BOOTSTRAP) run ruff format --check .
	@$(BOOTSTRAP) run mypy --strict

format:  ## put the code into its one format
	@$(BOOTSTRAP) run ruff check --fix-only --quiet .
	@$(BOOTSTRAP) run ruff format .

lock:  ## choose the newest versions of all packages again
	@$(BOOTSTRAP) run $(COMPILE) --upgrade --output-file requirements.lock pyproject.toml
	@$(BOOTSTRAP) run $(COMPILE) --upgrade --group dev --constraint requirements.lock --output-file requirements-dev.lock

wheel:  ## build the wheel into dist/
	@$(BOOTSTRAP) run hatchling build -t wheel

bench:  ## convert the bench's recordings and print the score
	@$(BOOTSTRAP) run python tools/bench.py $(ARGS)

train:  ## train the drum engine's network from the material beside the checkout; stop and go on at will
	@$(BOOTSTRAP) run python -m tools.train prepare $(ARGS)
	@$(BOOTSTRAP) run python -m tools.train fit $(ARGS)
	@$(BOOTSTRAP) run python -m tools.train masks $(ARGS)

train-small:  ## show in a minute that the whole training works
	@rm -rf build/train-small
	@$(BOOTSTRAP) run python -m tools.train fit --small --work build/train-small $(ARGS)
	@$(BOOTSTRAP) run python -m tools.train masks --small --work build/train-small $(ARGS)
	@$(BOOTSTRAP) run python -m tools.train export --small --work build/train-small --target build/train-small/kit.onnx $(ARGS)

train-judge:  ## judge the trained network on kits and drummers that it hasn't heard
	@$(BOOTSTRAP) run python -m tools.train judge $(ARGS)

tune:  ## choose the pitched parts' numbers and fit their judges, on recordings rendered from the material beside the checkout
	@$(BOOTSTRAP) run python -m tools.tune make $(ARGS)
	@$(BOOTSTRAP) run python -m tools.tune separate $(ARGS)
	@$(BOOTSTRAP) run python -m tools.tune judge $(ARGS)
	@$(BOOTSTRAP) run python -m tools.tune touch $(ARGS)
	@$(BOOTSTRAP) run python -m tools.tune fit $(ARGS)

measure-tempo:  ## convert the bench's recordings and judge the tempo of their MIDI files
	-@$(BOOTSTRAP) run python tools/bench.py --out build/bench $(ARGS)
	@$(BOOTSTRAP) run python tools/measure_tempo.py ../shared/bench/cases --results build/bench

tune-tempo:  ## make recordings of known tempo, fit the beat tracker's tables on them and judge it
	@$(BOOTSTRAP) run python -m tools.tempo prepare $(ARGS)
	@$(BOOTSTRAP) run python -m tools.tempo fit $(ARGS)
	@$(BOOTSTRAP) run python -m tools.tempo judge $(ARGS)

docs:  ## write the generated reference pages and the pictures again
	@$(BOOTSTRAP) run python tools/make_reference.py
	@$(BOOTSTRAP) run stembridge demo --out build
	@$(BOOTSTRAP) run python tools/make_picture.py build/stembridge-demo
	@$(BOOTSTRAP) run stembridge deliver build/stembridge-demo --deliver score,preview,overview
	@$(BOOTSTRAP) run python tools/make_score_picture.py build/stembridge-demo
	@$(BOOTSTRAP) run python tools/make_overview_picture.py build/stembridge-demo

protocol:  ## write the device's side of the OSC messages and their page again
	@$(BOOTSTRAP) run python -m bridge.osc.generate

device: protocol  ## build the Max for Live devices into bridge/data/device
	@$(BOOTSTRAP) run python -m tools.device

device-preview:  ## draw the device as docs/images/device.svg
	@$(BOOTSTRAP) run python -m tools.device --preview

clean:  ## remove what was made, except the environment
	rm -rf build dist bench-out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find bridge tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
