"""``python -m bridge`` is the ``stembridge`` command."""

from bridge.cli import main

main()
