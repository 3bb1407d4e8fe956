"""Bass lines and sung lines made by arithmetic, so that every note of them is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Onset s, offset s, MIDI pitch.
Rows = list[tuple[float, float, int]]
RATE = 22050
#: Centres and widths (Hz) of three vowels' formants: Peterson and Barney, JASA 24, 1952 (men; a, i, u).
_VOWELS = (
    ((730, 90), (1090, 110), (2440, 160)),
    ((270, 60), (2290, 150), (3010, 200)),
    ((300, 60), (870, 100), (2240, 160)),
)


def line(pitches: Sequence[int], bpm: float, share: float = 0.9, notes_a_beat: int = 1, start_s: float = 0.3) -> Rows:
    """Notes of equal length at a tempo; `share` of the time from one to the next they sound (1 is legato)."""
    step_s = 60.0 / bpm / notes_a_beat
    return [(start_s + i * step_s, start_s + (i + share) * step_s, pitch) for i, pitch in enumerate(pitches)]


def length_s(rows: Rows) -> float:
    """Half a second more than the notes take."""
    return rows[-1][1] + 0.5


def bass(rows: Rows) -> np.ndarray:
    """Plucked strings: 12 partials that ring down the faster the higher, a click, and a damped end."""
    samples = np.zeros(round(length_s(rows) * RATE))
    rng = np.random.default_rng(len(rows))
    for onset_s, offset_s, pitch in rows:
        time_s = np.arange(round((offset_s - onset_s + 0.03) * RATE)) / RATE
        hertz = 440.0 * 2.0 ** ((pitch - 69) / 12)
        tone = sum(
            np.sin(2 * np.pi * partial * hertz * time_s + partial) * np.exp(-time_s * (1.0 + 0.8 * partial)) / partial
            for partial in range(1, 13)
        )
        click = rng.standard_normal(len(time_s)) * np.exp(-time_s / 0.004) * 0.3
        envelope = np.minimum(1.0, time_s / 0.003) * np.clip((time_s[-1] - time_s) / 0.03, 0.0, 1.0)
        first = round(onset_s * RATE)
        samples[first : first + len(time_s)] += 0.2 * (tone + click) * envelope
    return samples.astype(np.float32)


def voice(rows: Rows, vibrato_semitones: float = 0.4, glide_s: float = 0.08) -> np.ndarray:
    """One singer: a pulse train through the formants of a vowel a note, with vibrato, glides and consonants.

    Where a note follows without a gap, the pitch glides into it, half way at its onset; else a consonant's noise comes
    before it. Vibrato of 5.5 Hz sets in over 0.2 s.
    """
    count = round(length_s(rows) * RATE)
    time_s = np.arange(count) / RATE
    pitch, level = np.full(count, float(rows[0][2])), np.zeros(count)
    out, rng = np.zeros(count), np.random.default_rng(len(rows))
    for index, (onset_s, offset_s, key) in enumerate(rows):
        previous_s = rows[index - 1][1] if index else -1.0
        is_tied = onset_s - previous_s < 0.01
        share = np.clip((time_s - onset_s) / glide_s + 0.5, 0.0, 1.0) if is_tied else (time_s >= onset_s - 0.02)
        pitch += (key - pitch) * share
        sounding = np.clip((time_s - onset_s) / 0.03, 0.0, 1.0) * np.clip((offset_s - time_s) / 0.03, 0.0, 1.0)
        level = np.maximum(level, sounding)
        if is_tied:
            level = np.maximum(level, np.abs(time_s - onset_s) < 0.04)
        else:
            noise = rng.standard_normal(count) * ((time_s > onset_s - 0.06) & (time_s < onset_s))
            out += 0.02 * np.diff(noise, prepend=0.0)
    since_s = np.min([np.where(time_s >= onset_s, time_s - onset_s, np.inf) for onset_s, _, _ in rows], axis=0)
    depth = vibrato_semitones * np.clip((since_s - 0.1) / 0.2, 0.0, 1.0)
    wave = pitch + np.where(np.isfinite(depth), depth, 0.0) * np.sin(2 * np.pi * 5.5 * time_s)
    hertz = 440.0 * 2.0 ** ((wave - 69) / 12)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    which = np.searchsorted([onset_s for onset_s, _, _ in rows], time_s, side="right") % len(_VOWELS)
    for partial in range(1, 30):
        frequency = partial * hertz
        gain = np.zeros(count)
        for vowel, formants in enumerate(_VOWELS):
            response = sum(1.0 / (1.0 + ((frequency - centre) / width) ** 2) for centre, width in formants)
            gain += (which == vowel) * (response + 0.05)
        out += 0.2 * np.sin(partial * phase) * gain / partial**0.7 * level * (frequency < RATE / 2.2)
    return (out + 1e-4 * rng.standard_normal(count)).astype(np.float32)
