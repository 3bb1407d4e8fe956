"""The names that users, files and engines share. Imports nothing, so that the command line knows them at once."""

from __future__ import annotations

PITCHED_PARTS = ("bass", "melody", "vocals")
PARTS = (*PITCHED_PARTS, "drums")
COMPONENTS = ("kick", "snare", "hihat", "cymbal", "ride", "tom")

#: What a recording can be said to be besides a song: one mix that is not to be separated, or one instrument.
RECORDINGS = ("mix", *PARTS)

DEMUCS_MODELS = ("htdemucs", "htdemucs_ft", "htdemucs_6s")
SEPARATORS = ("auto", "builtin", *DEMUCS_MODELS, "none")
DRUM_ENGINES = ("auto", "onset", "kit")
