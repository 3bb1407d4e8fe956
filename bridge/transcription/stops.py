"""Double stops: what a single voice strikes together with its notes, where it does.

A bass sounds one note at a time, and what sounds with it is its partials, other instruments' bleed, or the tail of the
note before. So companions are looked for only in stretches (half a minute) in which, again and again, two pitches sound
that are no partials of one another; there, they are what a judge of chords takes for notes, as long as the voice's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from bridge.model import Note
from bridge.music.notes import ending_at
from bridge.transcription.candidates import Candidates, candidates
from bridge.transcription.frames import LOWEST_PITCH, Evidence, Found, Matrix, described
from bridge.transcription.judge import Judge, facts_of, judge_named
from bridge.transcription.profiles import Profile
from bridge.transcription.voice import Voice, keys_of

#: Judge of notes among others of their own instrument (docs/reference/note-judges.md).
_JUDGE = "alone"
#: Posterior from which a pitch surely sounds.
_SURE = 0.5
#: Semitones above the lowest pitch that sounds, up to a seventh, at which other pitches are looked for: no partial lies
#: there, nor beside them. The tritone is left out, which hardly any bass strikes.
_NO_PARTIALS = (3, 4, 5, 7, 8, 9, 10)
#: Semitones from the lowest note to its partials 3 to 6. Hands seldom reach so far, and what is heard there is mostly a
#: partial (of those 12 above, two in three are struck).
_FURTHER_PARTIALS = (19, 24, 28, 31)
#: Pitches nearer to a note are its own, smeared.
_NEAREST = min(_NO_PARTIALS)
#: Two pitches that sound together for less, in all, are nothing that a voice does again and again.
_FEWEST_FRAMES = 43  # 0.5 s
_TOGETHER = 7  # frames (81 ms) within which onsets are at the same time: low posteriors rise late


class DoubleStops:
    """Finds the notes of a single voice, and those that it strikes with them.

    Parameters
    ----------
    profile
        How the part is heard.
    judge
        Of what is struck with a note; the package's where not given.
    """

    def __init__(self, profile: Profile, judge: Judge | None = None) -> None:
        self._profile, self._voice, self._judge = profile, Voice(profile), judge or judge_named(_JUDGE)
        self._keys, self._least = keys_of(profile), min(profile.least_confidence, profile.found_from)

    @property
    def wanted(self) -> Collection[str]:
        """Names of the arrays of `Evidence` that it looks at."""
        return self._voice.wanted

    def __call__(self, known: Evidence, sounding: Collection[int]) -> list[Found]:
        """Notes of one stretch in order; those struck with another, `Found.is_stop`, follow it and are as long."""
        line = self._voice(known, sounding)
        low, high = self._keys
        if not line or share_of_stops(known.note[:, low : high + 1]) < self._profile.stops_from:
            return line
        at = candidates(known.onset, low, high)
        probable = self._judge(facts_of((known,), at)) if len(at.frame) else np.zeros(0, np.float32)
        return [found for note in line for found in (note, *self._struck_with(note, known, at, probable))]

    def _struck_with(self, note: Found, known: Evidence, at: Candidates, probable: Matrix) -> Iterator[Found]:
        own = note.pitch - LOWEST_PITCH
        is_near = (np.abs(at.frame - note.start) <= _TOGETHER) & (np.abs(at.key - own) >= _NEAREST)
        is_near &= probable >= self._least
        keys = np.unique(at.key[is_near])
        keys = keys[~np.isin(keys - keys.min(initial=own), _FURTHER_PARTIALS)]
        for key in keys.tolist():
            judged = float(probable[is_near & (at.key == key)].max())
            yield replace(described(known, note.start, note.end, key + LOWEST_PITCH), judged=judged, is_stop=True)


def share_of_stops(note: Matrix) -> float:
    """In which share of the frames in which something sounds two pitches do that are no partials of one another.

    It is 0 where they do for less than half a second.

    Parameters
    ----------
    note
        Posterior that each of some neighbouring pitches sounds, (frames, pitches).
    """
    sounds = np.pad(note >= _SURE, ((0, 0), (0, max(_NO_PARTIALS))))
    sounds = sounds[sounds.any(axis=1)]
    above = sounds.argmax(axis=1)[:, None] + np.array(_NO_PARTIALS)
    together = int(np.take_along_axis(sounds, above, axis=1).any(axis=1).sum())
    return together / len(sounds) if together >= _FEWEST_FRAMES else 0.0


def beside_the_line(line: Sequence[Note], stops: Iterable[Note]) -> list[Note]:
    """A single voice's notes and, as long as they, what is struck with those that are still there; in order.

    Notes that are struck together have no contours: one pitch wheel bends all.
    """
    of_onset = {note.onset_s: note for note in line}
    kept = [ending_at(stop, of_onset[stop.onset_s].offset_s) for stop in stops if stop.onset_s in of_onset]
    together = {stop.onset_s for stop in kept}
    alone = (replace(note, bend=()) if note.onset_s in together else note for note in line)
    return sorted([*alone, *kept])
