"""Stembridge: from a recording to stems and MIDI, on the user's own machine."""

__all__ = ["__version__"]

__version__ = "0.1.0"
