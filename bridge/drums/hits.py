"""From decoded events to hits: which drum, when, how hard, how surely."""

from __future__ import annotations

import numpy as np

from bridge.audio.file import AudioFile
from bridge.drums.bands import CENTRES_HZ, Array, BandAnalysis
from bridge.drums.decode import THRESHOLDS, Decoded
from bridge.drums.events import Events
from bridge.drums.templates import CLASSES, KINDS
from bridge.drums.toms import tom_names, tom_pitch
from bridge.drums.velocity import velocities
from bridge.model import GM_DRUM, Note
from bridge.progress import Progress

#: Register (`REGISTERS_HZ`) in which each class's attack is timed.
REGISTER = {"kick": 0, "snare": 1, "hat": 2, "tom": 0, "cymbal": 2}
#: Shortest time between two hits of a class (s): faster than hands and feet play them, so that rolls survive and
#: echoes of one hit don't.
REFRACTORY_S = {"kick": 0.05, "snare": 0.03, "hat": 0.025, "tom": 0.03, "cymbal": 0.03}
#: A hi-hat is open when, 75 to 170 ms after the attack, less than this is lost (dB).
OPEN_LOSS_DB = 10.0
#: Bands from here (Hz) are a hi-hat's own.
HAT_FROM_HZ = 5000.0
#: Nominal length of a hit (s): drums are struck, not held.
HIT_S = 0.1


def find_hits(drums: AudioFile, events: Events, decoded: Decoded, progress: Progress) -> list[Note]:
    """Hits in order of onset, with General MIDI keys."""
    analysis = BandAnalysis(drums.sample_rate)
    frame_s = analysis.hop / drums.sample_rate
    present = decoded.present()
    notes: list[Note] = []
    for column, name in enumerate(CLASSES):
        progress.check()
        onsets = np.maximum(events.register_frames[:, REGISTER[name]] * frame_s, 0.0)
        chosen = _apart(np.flatnonzero(present[:, column]), onsets, decoded.scores[:, column], REFRACTORY_S[name])
        keys = _keys(name, drums, events, decoded, chosen, onsets, progress)
        strengths = velocities(decoded.levels[chosen, column])
        for event, key, velocity in zip(chosen, keys, strengths, strict=True):
            # At the threshold as likely as not, and surer from there.
            sure = 1 - 0.5 * THRESHOLDS[name] / float(decoded.scores[event, column])
            onset = min(float(onsets[event]), drums.duration_s)
            notes.append(Note(onset, onset + HIT_S, key, velocity, confidence=round(sure, 3)))
    progress.at(1.0)
    return ended(notes)


def is_open(energy: Array) -> bool:
    """Whether a hi-hat hit with this energy (stretches, bands) rings on."""
    high = np.array(CENTRES_HZ) >= HAT_FROM_HZ
    attack, later = float(energy[0, high].sum()), float(energy[2, high].sum())
    return later > attack * 10 ** (-OPEN_LOSS_DB / 10)


def _keys(
    name: str, drums: AudioFile, events: Events, decoded: Decoded, chosen: list[int], onsets: Array, progress: Progress
) -> list[int]:
    """General MIDI keys of the events `chosen` of class `name`."""
    if name == "hat":
        return [GM_DRUM["open_hat" if is_open(events.energy[event]) else "closed_hat"] for event in chosen]
    if name == "cymbal":
        crash, ride = KINDS.index("crash"), KINDS.index("ride")
        rides = decoded.kinds[chosen, ride] > decoded.kinds[chosen, crash]
        return [GM_DRUM["ride" if is_ride else "crash"] for is_ride in rides]
    if name == "tom":
        pitches = []
        for event in chosen:
            progress.check()
            pitches.append(tom_pitch(drums, float(onsets[event])))
        return [GM_DRUM[tom] for tom in tom_names(pitches)]
    return [GM_DRUM[name]] * len(chosen)


def _apart(events: np.ndarray, onsets: Array, scores: Array, refractory_s: float) -> list[int]:
    """Of hits closer than `refractory_s` only the surest."""
    kept: list[int] = []
    for event in events[np.argsort(onsets[events], kind="stable")]:
        if kept and onsets[event] - onsets[kept[-1]] < refractory_s:
            kept[-1] = max(kept[-1], int(event), key=lambda one: float(scores[one]))
        else:
            kept.append(int(event))
    return kept


def ended(notes: list[Note]) -> list[Note]:
    """In order of time, each hit ended before the next one of its key."""
    kept: list[Note] = []
    following: dict[int, float] = {}
    for note in sorted(notes, reverse=True):
        stop = min(note.offset_s, following.get(note.pitch, note.offset_s))
        if stop > note.onset_s:  # two of one key at one moment are one hit
            kept.append(Note(note.onset_s, stop, note.pitch, note.velocity, note.confidence))
            following[note.pitch] = note.onset_s
    return kept[::-1]
