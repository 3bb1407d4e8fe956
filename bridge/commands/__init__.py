"""The commands beside ``convert``, a module each; `bridge.cli` adds them to ``stembridge``."""
