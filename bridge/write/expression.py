"""The loudness of a result's stems, as its MIDI files have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import soundfile

from bridge.audio.file import AudioFile
from bridge.audio.levels import levels_db
from bridge.disk import printable
from bridge.errors import AudioUnreadable
from bridge.model import PITCHED_PARTS, Note
from bridge.music.expression import RATE_HZ, ControlPoint, expression_curve
from bridge.progress import Progress

Curves = Mapping[str, Sequence[ControlPoint]]


def expression_of(
    stems: Mapping[str, Path], found: Mapping[str, Sequence[Note]], progress: Progress
) -> dict[str, tuple[ControlPoint, ...]]:
    """The curve of each pitched part that has a stem; drums have their dynamics in their velocities.

    Parameters
    ----------
    stems
        Where they are, by part; one that is gone counts as none.
    found
        The notes as they were detected, by part.
    progress
        Told how far it is; cancels.

    Raises
    ------
    AudioUnreadable
        If a stem can't be read.
    """
    names = [name for name in PITCHED_PARTS if name in found and name in stems and stems[name].is_file()]
    curves = {}
    for index, name in enumerate(names):
        at_work = progress.part(index / len(names), (index + 1) / len(names))
        try:
            levels = levels_db(AudioFile.open(stems[name]), RATE_HZ, at_work)
        except soundfile.SoundFileError as error:
            raise AudioUnreadable(
                f"the stem {printable(stems[name])} cannot be read: convert the recording again, or leave its loudness "
                "out with --no-expression"
            ) from error
        curves[name] = expression_curve(levels, found[name])
    return curves
