"""Builds the Max for Live device from its sources: ``python -m tools.device`` (see max_for_live/README.md)."""
