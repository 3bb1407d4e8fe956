"""Plays single notes with a soundfont: what is to be heard of one, from the moment when its key goes down.

Deterministic: the same note always gives the same samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bridge.audio.soundfont import Course, SoundFont, Zone
from bridge.model import Samples

#: No key is held longer: most sounds are over by then, and an organ's need not take the memory of a whole song.
LONGEST_S = 60.0
#: What has fallen by so much since its key went up is over.
_INAUDIBLE_DB = 70.0
#: Released notes fade at least this long, so that they don't click, and at most this long.
_SHORTEST_RELEASE_S, _LONGEST_RELEASE_S = 0.008, 8.0
#: The full fall of a volume, which a soundfont's decay and release times are for.
_FALL_DB = 100.0
#: A fall of a dB as an exponent of 2.
_EXPONENT_PER_DB = np.float32(-math.log2(10) / 20)
#: Samples between two settings of a filter in motion.
_FILTER_STEP = 256
#: Samples of tones that are kept for the next note of the same key: 64 MB with their volumes.
_KEPT_SAMPLES = 1 << 23

_Mono = NDArray[np.float32]


@dataclass(slots=True)
class _Memory:
    """What was made already, for later notes of the same key."""

    kept: dict[tuple[Zone, int], tuple[_Mono, _Mono]] = field(default_factory=dict)
    samples: int = 0

    def put(self, key: tuple[Zone, int], made: tuple[_Mono, _Mono]) -> None:
        if self.samples + len(made[0]) > _KEPT_SAMPLES:
            self.kept.clear()
            self.samples = 0
        self.samples += len(made[0]) - (len(self.kept[key][0]) if key in self.kept else 0)
        self.kept[key] = made


class Instrument:
    """One instrument of a soundfont.

    Parameters
    ----------
    font
        Where its samples are.
    program
        General MIDI program, 0 to 127; None for percussion.
    sample_rate
        Of what it plays, Hz.
    """

    def __init__(self, font: SoundFont, program: int | None, sample_rate: int) -> None:
        self._font = font
        self._zones = font.instrument(program)
        self._rate = sample_rate
        self._samples: dict[int, _Mono] = {}
        self._fades: dict[Zone, _Mono] = {}
        self._memory = _Memory()

    @property
    def is_playable(self) -> bool:
        """Whether the soundfont has it."""
        return bool(self._zones)

    def chokes(self, key: int) -> int:
        """The group in which a key's notes cut each other off; 0 for none."""
        return next((placed.zone.chokes for placed in self._zones if placed.keys.has(key)), 0)

    def play(self, key: int, velocity: int, held_s: float, bend: Sequence[tuple[float, float]] = ()) -> Samples:
        """A note with its fading away, as (samples, 2).

        Parameters
        ----------
        key, velocity
            As in `bridge.model.Note`.
        held_s
            For how long its key is down, in seconds; at most `LONGEST_S` are played.
        bend
            Its pitch contour, as `bridge.model.Note` has it: each point holds until the next.
        """
        # The specification's curve from velocity to level, 40 dB log10, is a square.
        level = (velocity / 127) ** 2
        voices = [
            (placed.zone, self._voice(placed.zone, key, min(held_s, LONGEST_S), bend))
            for placed in self._zones
            if placed.keys.has(key) and placed.velocities.has(velocity)
        ]
        note = np.zeros((max((len(voice) for _, voice in voices), default=0), 2), np.float32)
        for zone, voice in voices:
            angle = (zone.pan + 1) * math.pi / 4
            note[: len(voice), 0] += voice * np.float32(level * zone.gain * math.cos(angle))
            note[: len(voice), 1] += voice * np.float32(level * zone.gain * math.sin(angle))
        return note

    def _voice(self, zone: Zone, key: int, held_s: float, bend: Sequence[tuple[float, float]]) -> _Mono:
        """One zone's tone as loud as it is, with its release."""
        if zone not in self._fades:
            self._fades[zone] = _fade(zone.volume.release_s, self._rate)
        fade = self._fades[zone]
        held = round(held_s * self._rate)
        tone, volume = self._tone(zone, key, held + len(fade), bend)
        voice = tone.copy()
        voice[:held] *= volume[:held]
        if len(tone) > held:
            voice[held:] *= fade[: len(tone) - held] * volume[held]
        return voice

    def _tone(self, zone: Zone, key: int, length: int, bend: Sequence[tuple[float, float]]) -> tuple[_Mono, _Mono]:
        """A zone's sample at a key's pitch, through its filter, and how loud it is while the key is held.

        Both are shorter than `length` where the sample ends.
        """
        kept = None if bend else self._memory.kept.get((zone, key))
        # What is kept is a whole number of seconds long, unless the sample ended before.
        if kept is not None and (len(kept[0]) >= length or len(kept[0]) % self._rate):
            return kept[0][:length], kept[1][:length]
        whole = length if bend else -(-length // self._rate) * self._rate  # a second that the next note may need
        if zone.sample not in self._samples:
            self._samples[zone.sample] = self._font.samples(zone.sample)
        tone = _resampled(self._samples[zone.sample], zone, self._places(zone, key, whole, bend))
        tone = _filtered(tone, zone, zone.brightness.for_key(key), self._rate)
        volume = _volume(len(tone), zone.volume.for_key(key), self._rate)
        if not bend:
            self._memory.put((zone, key), (tone, volume))
        return tone[:length], volume[:length]

    def _places(self, zone: Zone, key: int, length: int, bend: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        """Where in the sample each of `length` samples lies."""
        semitones = (key - zone.root) * zone.cents_per_key / 100
        step = zone.rate / self._rate * 2.0 ** (semitones / 12)
        delay = round(zone.volume.delay_s * self._rate)
        steps: NDArray[np.float64] = np.arange(-delay, length - delay, dtype=np.float64)
        if bend:
            edges = [0, *(min(round(after_s * self._rate), length) for after_s, _ in bend), length]
            bends = np.repeat([0.0, *(bent for _, bent in bend)], np.diff(np.maximum.accumulate(edges)))
            steps = np.cumsum(2.0 ** (bends / 12)) - 1 - delay
        steps *= step
        steps += zone.start
        return steps


def _resampled(sample: _Mono, zone: Zone, places: NDArray[np.float64]) -> _Mono:
    """A sample at places between its own, on a line from one to the next; before its start it is silent."""
    end = len(sample) + min(zone.end, 0)
    loop = zone.loop_end - zone.loop_start
    if zone.is_looped and loop > 0 and zone.loop_start >= 0 and zone.loop_end <= len(sample):
        beyond = places >= zone.loop_end
        places = np.where(beyond, zone.loop_start + np.mod(places - zone.loop_start, loop), places)
    else:
        places = places[: int(np.searchsorted(places, end - 1))]
    if not len(places) or len(sample) < 2:
        return np.zeros(0, np.float32)
    whole = np.clip(places.astype(np.int64), 0, len(sample) - 1)
    following = np.minimum(whole + 1, len(sample) - 1)
    between = (places - whole).astype(np.float32)
    tone = sample[whole] + (sample[following] - sample[whole]) * between
    tone[places < 0] = 0.0
    return tone


def _volume(length: int, course: Course, rate: int) -> _Mono:
    """The factor of the amplitude from key down on: it rises on a line, and its fall is one in dB."""
    seconds = np.arange(length, dtype=np.float32) / np.float32(rate)
    top_s = course.delay_s + course.attack_s + course.hold_s
    fall_db = np.maximum(seconds - np.float32(top_s), 0) * np.float32(_FALL_DB / max(course.decay_s, 0.001))
    volume: _Mono = np.exp2(np.minimum(fall_db, np.float32(course.sustain / 10)) * _EXPONENT_PER_DB)
    if course.attack_s:
        volume *= np.clip((seconds - np.float32(course.delay_s)) / np.float32(course.attack_s), 0.0, 1.0)
    return volume


def _fade(release_s: float, rate: int) -> _Mono:
    """The factor of the amplitude from key up on; its end is silence."""
    release_s = max(release_s, _SHORTEST_RELEASE_S)
    length = round(min(release_s * _INAUDIBLE_DB / _FALL_DB, _LONGEST_RELEASE_S) * rate)
    fall_db = np.arange(length, dtype=np.float32) * np.float32(_FALL_DB / (release_s * rate))
    fade: _Mono = np.exp2(fall_db * _EXPONENT_PER_DB)
    end = fade[-round(_SHORTEST_RELEASE_S * rate) :]
    end *= np.linspace(1.0, 0.0, len(end), dtype=np.float32)
    return fade


def _filtered(tone: _Mono, zone: Zone, course: Course, rate: int) -> _Mono:
    """A tone through its zone's low-pass, whose cutoff moves by `course`."""
    from scipy.signal import lfilter

    if not len(tone) or (zone.cutoff_hz > 0.45 * rate and zone.brightness_cents >= 0):
        return tone
    state = np.zeros(2)
    out = np.empty_like(tone)
    begin = 0
    while begin < len(tone):
        height, is_settled = _height(course, begin / rate)
        cutoff_hz = min(zone.cutoff_hz * 2 ** (height * zone.brightness_cents / 1200), 20_000.0, 0.45 * rate)
        until = len(tone) if is_settled else begin + _FILTER_STEP
        numerator, denominator = _low_pass(cutoff_hz / rate, zone.resonance_db)
        out[begin:until], state = lfilter(numerator, denominator, tone[begin:until], zi=state)
        begin = until
    return out


def _height(course: Course, seconds: float) -> tuple[float, bool]:
    """How high a modulation stands, 0 to 1, and whether it stays there while its key is held."""
    after_s = seconds - course.delay_s
    if after_s < course.attack_s:
        return max(0.0, after_s / course.attack_s), False
    sustain = max(0.0, 1.0 - course.sustain / 1000)
    height = 1.0 - max(0.0, after_s - course.attack_s - course.hold_s) / max(course.decay_s, 0.001)
    return max(height, sustain), height <= sustain or sustain == 1.0


def _low_pass(cutoff: float, resonance_db: float) -> tuple[list[float], list[float]]:
    """Coefficients of a second-order low-pass; `cutoff` in cycles a sample.

    After R. Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter coefficients". A resonance of 0 is flat.
    """
    angle = 2 * math.pi * cutoff
    alpha = math.sin(angle) / (2 * 10 ** (resonance_db / 20) * math.sqrt(0.5))
    cosine, scale = math.cos(angle), 1 + alpha
    low = (1 - cosine) / 2 / scale
    return [low, 2 * low, low], [1.0, -2 * cosine / scale, (1 - alpha) / scale]
