"""How each pitched part is heard: one row a part, one column a parameter.

The numbers are round on purpose. They were chosen on whole songs and solo lines together, at the middle of a plateau (a
step either way moves the F-measure by a few hundredths at most), not at the best figure of one recording; those of
basses on lines and songs rendered for the purpose, those of vocals with a look at the one singer that the bench has
(``docs/measurements.md``). `tools/measure_notes.py` measures them, `--set` tries others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bridge.engines import Hearing
from bridge.transcription.chords import CHORD_PROFILES, ChordProfile


@dataclass(frozen=True, slots=True)
class Profile:
    """How to hear a part that sounds one note at a time; `bridge.transcription.chords` has the others.

    Attributes
    ----------
    min_hz, max_hz
        Range of the fundamentals.
    onset_threshold
        Onset posterior, 0 to 1, from which a note begins (or, within a sounding note of a single voice, begins again).
    frame_threshold
        Posterior, 0 to 1, down to which a note sounds.
    min_note_ms
        Shorter notes are dropped.
    periodicity
        Weight, 0 to 1, of the waveform's own periodicity beside the network's posterior. It is for audio that holds
        hardly anything else: in a mix the periods are not the voice's.
    steadiness
        What a change of pitch costs, in nats: the more, the longer the evidence for another pitch must last.
    restrike_dip_db
        How far the level must rise at an onset within a sounding note of a single voice for the note to begin again:
        plucked strings need not fall silent between notes, a singer's vibrato looks like onsets to the network but
        hardly moves the level.
    octave_cost
        How much less likely a note becomes with each octave above E2 (82 Hz), in nats; for a single voice only. It
        keeps a bass line from climbing into the instruments above it.
    least_confidence
        Notes less sure than that are dropped, 0 to 1.
    attack_db
        Mean rise of the spectrum from which a single voice's note begins, dB; 0 where other instruments' attacks would
        be taken for its own, or where it begins softly.
    lowers_octaves
        Whether a note of a single voice whose partials belong to the octave below goes there; for basses.
    fall_db
        By how much the level falls within 70 ms where a single voice's note is let go, dB; 0 where other instruments
        keep the level up, or where only the evidence shall say.
    glides
        Whether a single voice's line is followed between semitones, by thirds of them that its periods tell.
    stops_from
        Share of frames of a stretch with two pitches that are no partials of one another, 0 to 1, from which a single
        voice strikes several notes at once, now and then; 1 where it never does.
    velocity_range
        Lowest and highest velocity written.
    found_from
        Confidence from which what is struck with a note is looked at, where that is lower than `least_confidence`: what
        a user leaves out doesn't make the others softer or louder.
    """

    min_hz: float
    max_hz: float
    onset_threshold: float
    frame_threshold: float
    min_note_ms: float
    periodicity: float
    steadiness: float
    restrike_dip_db: float
    octave_cost: float
    least_confidence: float
    attack_db: float = 0.0
    lowers_octaves: bool = False
    fall_db: float = 0.0
    glides: bool = False
    stops_from: float = 1.0
    velocity_range: tuple[int, int] = (20, 120)
    found_from: float = 1.0

    def at(self, tightness: float) -> Profile:
        """The profile for a user who wants more notes, or only sure ones.

        Parameters
        ----------
        tightness
            From 0, every candidate, over 0.5, the table's own numbers, to 1, only notes of at least `SURE`.

        Notes
        -----
        Above 0.5 the same notes are found and only `least_confidence` rises, so that each step keeps a part of what the
        step before kept. Below, the thresholds on posteriors sink with it, as log-odds, by up to `_LOOSEST`.
        """
        if tightness >= 0.5:
            least = self.least_confidence + (2.0 * tightness - 1.0) * (SURE - self.least_confidence)
            return replace(self, least_confidence=least, found_from=min(self.least_confidence, self.found_from))
        looser = (1.0 - 2.0 * tightness) * _LOOSEST
        return replace(
            self,
            onset_threshold=_lowered(self.onset_threshold, looser),
            frame_threshold=_lowered(self.frame_threshold, looser),
            least_confidence=2.0 * tightness * self.least_confidence,
        )


#: Confidence of the notes that stay at a tightness of 1.
SURE = 0.8
#: By how much log-odds sink at a tightness of 0: 0.6 becomes 0.25, 0.3 becomes 0.09.
_LOOSEST = 1.5


def _lowered(probability: float, log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(log_odds) * (1.0 - probability) / probability)


# fmt: off
PROFILES: Mapping[str, Profile | ChordProfile] = MappingProxyType({
    #                   min   max     onset frame min   perio- steadi- re-  octave least
    #                   Hz    Hz                  ms    dicity ness    dip  cost   sure
    "bass":     Profile(27.5, 500.0,  0.95, 0.2,  60.0, 0.4,   2.0,    0.0, 0.0,   0.3,
                        attack_db=1.5, lowers_octaves=True, fall_db=12.0, stops_from=0.2),
    "bassline": Profile(30.0, 500.0,  0.5,  0.2,  60.0, 0.0,   3.0,    1.0, 1.5,   0.35,
                        attack_db=2.5, lowers_octaves=True, fall_db=9.0),
    "vocals":   Profile(80.0, 4000.0, 0.6,  0.4,  70.0, 0.5,   8.0,    3.0, 0.0,   0.3,
                        fall_db=20.0, glides=True),
    "sung":     Profile(80.0, 4000.0, 0.6,  0.4,  70.0, 0.0,   4.0,    3.0, 0.0,   0.3),
    **CHORD_PROFILES,
})
# fmt: on

#: Where nobody sings, the built-in separator's vocals average -22 dB of the mix; a voice 18 dB below the band is hardly
#: heard. With it, two instrumentals of three give under ten notes instead of over fifty.
LEAST_SUNG_DB = -18.0

#: How each part of a song is heard, by what separated it, and why: F on rendered songs (``docs/measurements.md``).
#: With the built-in separator, neither stem nor mix is much better, each for other notes. The bass is heard in the
#: mix, which is listened to anyway; the melody's notes are judged by what stem, mix and the vocals' stem say together.
#: A bass beside others is heard as ``bassline``: attacks must be stronger, periods say nothing, and high notes are
#: likelier others'. The vocals' stem has instruments in it, so that its waveform's period says nothing (profile
#: ``sung``): where the notes of the true vocal stems are taken for the truth, F was 0.26 so, against 0.12 as a solo
#: voice is heard (octaves folded, 100 ms).
HEARINGS: Mapping[str, Mapping[str, Hearing]] = MappingProxyType(
    {
        "neural": MappingProxyType(
            {
                "bass": Hearing("stem", "bass"),
                "melody": Hearing("stem", "melody"),
                "vocals": Hearing("stem", "vocals"),
            }
        ),
        "builtin": MappingProxyType(
            {
                "bass": Hearing("mix", "bassline", measured_f=(("stem", 0.47), ("mix", 0.51), ("together", 0.52))),
                "melody": Hearing(
                    "stem",
                    "rough",
                    beside=("mix", "vocals"),
                    measured_f=(("stem", 0.36), ("mix", 0.38), ("together", 0.38)),
                ),
                "vocals": Hearing("stem", "sung", LEAST_SUNG_DB, measured_f=(("stem", 0.14), ("mix", 0.13))),
            }
        ),
        "none": MappingProxyType(
            {"bass": Hearing("mix", "bassline"), "melody": Hearing("mix", "mix"), "vocals": Hearing("mix", "sung")}
        ),
    }
)

#: How a recording of one part is heard: a melody with nothing beside it may go as low as a bass does.
SOLO_HEARINGS: Mapping[str, Hearing] = MappingProxyType(
    {
        "bass": Hearing("stem", "bass"),
        "melody": Hearing("stem", "solo"),
        "vocals": Hearing("stem", "vocals"),
    }
)

#: How a mix that is not to be separated is heard, condensed to one part.
MIX_HEARING = Hearing("mix", "mix")
