"""The settings in force, for commands that use them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.config import Loaded

#: Variables that begin as those of settings do, but are read by other parts: `bridge.separation.weights`, and the
#: option ``--midi-api`` of commands.
MODELS_VARIABLE = "STEMBRIDGE_MODELS_DIR"
MIDI_API_VARIABLE = "STEMBRIDGE_MIDI_API"


def settings_in_force(flags: Mapping[str, object]) -> Loaded:
    """The settings as the file, the environment and these flags have them; see `bridge.config.read`."""
    from bridge.config import read

    others = {MODELS_VARIABLE, MIDI_API_VARIABLE}
    return read(flags, {name: value for name, value in os.environ.items() if name not in others})
