"""How a part that may sound several notes at a time is heard: one row a part, one column a parameter.

``make tune`` prints what F each column's neighbouring values give on rendered recordings whose judge knows nothing of
their song. `least_confidence` was chosen so, in the middle of a plateau, and how a solo recording's notes end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bridge.transcription.frames import LOWEST_PITCH, PITCHES
from bridge.transcription.judge import ENDS, RELEASES


@dataclass(frozen=True, slots=True)
class ChordProfile:
    """How to hear one part.

    Attributes
    ----------
    judge
        Which of `bridge.transcription.judge` says how probable a note is, and so which evidence there must be.
    min_hz, max_hz
        Range of the fundamentals.
    least_confidence
        Notes less probable than that are dropped, 0 to 1.
    judged_ends
        How much the judge of endings counts, 0 to 1, beside the posterior that a note sounds.
    frame_threshold
        Posterior, 0 to 1, that says neither that a note sounds nor that it doesn't.
    min_note_ms
        No note is shorter.
    velocity_range
        Lowest and highest velocity written.
    beside
        How many pieces of other evidence the judge asks for: none, or the mix and the stem of the vocals.
    ended_by
        Which judge says where notes end: ``ends``, or ``releases`` for what nothing else sounds with.
    is_struck
        Whether velocities go by how loud and bright each note is (`bridge.transcription.touch`): one instrument alone.
    found_from
        Confidence from which candidates shape the notes about them, where that is lower than `least_confidence`: what
        a user leaves out doesn't make other notes longer.
    """

    judge: str
    min_hz: float
    max_hz: float
    least_confidence: float
    judged_ends: float
    frame_threshold: float
    min_note_ms: float
    velocity_range: tuple[int, int] = (20, 120)
    beside: int = 0
    ended_by: str = ENDS
    is_struck: bool = False
    found_from: float = 1.0

    @property
    def periodicity(self) -> float:
        """Weight of the waveform's period: none, as several notes have none."""
        return 0.0

    @property
    def keys(self) -> tuple[int, int]:
        """The lowest and highest fundamental, in semitones from A0."""
        low, high = (round(12.0 * math.log2(hz / 440.0) + 69.0) - LOWEST_PITCH for hz in (self.min_hz, self.max_hz))
        return max(0, low), min(PITCHES - 1, high)

    def at(self, tightness: float) -> ChordProfile:
        """The profile for a user who wants more notes, or only sure ones; only `least_confidence` moves.

        Parameters
        ----------
        tightness
            From 0, every candidate of at least `ANY`, over 0.5, the table's own number, to 1, only those of at least
            `SURE`.
        """
        end = ANY if tightness < 0.5 else SURE
        least = self.least_confidence + abs(2.0 * tightness - 1.0) * (end - self.least_confidence)
        return replace(self, least_confidence=least, found_from=min(self.least_confidence, self.found_from))


#: Least probability of notes at a tightness of 0 and of 1.
ANY, SURE = 0.05, 0.8

# fmt: off
CHORD_PROFILES: Mapping[str, ChordProfile] = MappingProxyType({
    #                        judge        min   max     least judged frame min
    #                                     Hz    Hz      sure  ends         ms
    "melody": ChordProfile("alone",       65.0, 4200.0, 0.30, 0.5,   0.4,  60.0),
    "solo":   ChordProfile("alone",       27.5, 4200.0, 0.35, 1.0,   0.4,  60.0, ended_by=RELEASES, is_struck=True),
    "rough":  ChordProfile("separated",   65.0, 4200.0, 0.25, 0.5,   0.4,  60.0, beside=2),
    "mix":    ChordProfile("mixed",       27.5, 4200.0, 0.25, 0.5,   0.4,  60.0),
})
# fmt: on
