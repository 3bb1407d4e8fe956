"""What happens to drums on their way to a record: rooms, equalisers, compressors, saturation, codecs, tape.

Every effect takes tracks (tracks, samples) that sum to what is heard, and gives tracks that sum to what is heard after
it: gains that depend on the sum are applied to each track. What belongs to none of them, hiss and a codec's errors,
goes to the last one. With a single track that is an ordinary effect.
"""

from __future__ import annotations

import io

import numpy as np
import scipy.fft
import soundfile
from scipy.signal import lfilter, oaconvolve

from bridge.drums.kit_features import SAMPLE_RATE, Array

Rng = np.random.Generator
#: Zeros after a sound that is filtered by multiplying its spectrum, so that its end does not come round to its start.
_EQ_TAIL = 2048


def decibels(level_db: float) -> float:
    """The factor of a level."""
    return float(10 ** (level_db / 20))


def equalised(tracks: Array, rng: Rng, most_db: float) -> Array:
    """`tracks`, or a single sound, through a smooth random curve of up to `most_db` up or down."""
    knots = np.log2(np.array([20.0, 80, 250, 800, 2500, 8000, 20_000]))
    gains_db = rng.uniform(-most_db, most_db, len(knots))
    length = tracks.shape[-1]
    size = scipy.fft.next_fast_len(length + _EQ_TAIL, real=True)
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 20.0)
    curve = np.asarray(10 ** (np.interp(np.log2(hertz), knots, gains_db) / 20), dtype=np.float32)
    spectra = scipy.fft.rfft(np.asarray(tracks, dtype=np.float32), size)
    return np.asarray(scipy.fft.irfft(spectra * curve, size)[..., :length], dtype=np.float32)


def room(rng: Rng) -> Array:
    """The impulse response of a room that was never built: a few reflections, then noise that dies away."""
    decay_s = float(np.exp(rng.uniform(np.log(0.03), np.log(0.35))))
    size = int(min(1.6, 6 * decay_s) * SAMPLE_RATE)
    t = np.arange(size) / SAMPLE_RATE
    tail = rng.standard_normal(size) * np.exp(-t / decay_s) * (1 - np.exp(-t / 0.01))
    dull = rng.uniform(0.0, 0.85)
    tail = lfilter([1 - dull], [1, -dull], tail)
    for _ in range(int(rng.integers(2, 8))):
        place = int(rng.uniform(0.002, 0.04) * SAMPLE_RATE)
        if place < size:
            tail[place] += rng.uniform(-1, 1) * 8 * np.exp(-place / SAMPLE_RATE / 0.02)
    return np.asarray(tail / (np.sqrt(np.sum(tail**2)) + 1e-9), dtype=np.float32)


def in_room(tracks: Array, rng: Rng) -> Array:
    """`tracks` with some of a room."""
    wet = decibels(rng.uniform(-26, -3))
    answer = oaconvolve(tracks, room(rng)[None], axes=-1)[:, : tracks.shape[1]]
    return np.asarray(tracks + wet * answer, dtype=np.float32)


def compressed(tracks: Array, rng: Rng) -> Array:
    """`tracks` through a compressor with a random threshold, ratio, attack and release."""
    block, mix = 32, tracks.sum(axis=0)
    level = np.abs(mix[: len(mix) // block * block]).reshape(-1, block).max(axis=1)
    rate = SAMPLE_RATE / block
    attack, release = np.exp(-1 / (rate * rng.uniform(0.0005, 0.03))), np.exp(-1 / (rate * rng.uniform(0.04, 0.4)))
    held = np.empty_like(level)
    now = 0.0
    for place, value in enumerate(level.tolist()):
        keep = attack if value > now else release
        now = keep * now + (1 - keep) * value
        held[place] = now
    threshold = np.percentile(level, 95) * decibels(rng.uniform(-18, -3)) + 1e-6
    over = np.maximum(held / threshold, 1.0)
    gain = over ** -(1 - 1 / rng.uniform(1.5, 8))
    smooth = np.interp(np.arange(len(mix)), np.arange(len(gain)) * block + block / 2, gain)
    return np.asarray(tracks * smooth, dtype=np.float32)


def saturated(tracks: Array, rng: Rng) -> Array:
    """`tracks` driven into a soft limit."""
    mix = tracks.sum(axis=0)
    driven = rng.uniform(0.7, 5.0) / np.abs(mix).max(initial=1e-6) * mix
    gain = np.where(np.abs(driven) > 1e-6, np.tanh(driven) / np.where(driven == 0, 1, driven), 1.0)
    return np.asarray(tracks * gain, dtype=np.float32)


def coded(tracks: Array, rng: Rng) -> Array:
    """`tracks` after a lossy codec, Ogg Vorbis or MP3, at a low to middling rate; both keep time."""
    file, mix = io.BytesIO(), tracks.sum(axis=0)
    peak, level = np.abs(mix).max(initial=1e-6) * 1.2, rng.uniform(0.5, 0.95)
    kind, coding = ("OGG", "VORBIS") if rng.random() < 0.5 else ("MP3", "MPEG_LAYER_III")
    soundfile.write(file, mix / peak, SAMPLE_RATE, format=kind, subtype=coding, compression_level=level)
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32")[0][: len(mix)] * peak
    return _with_rest(tracks, np.pad(decoded, (0, len(mix) - len(decoded))) - mix)


def taped(tracks: Array, rng: Rng) -> Array:
    """`tracks` dulled, with hiss."""
    dull = rng.uniform(0.1, 0.7)
    loudest = np.abs(tracks.sum(axis=0)).max(initial=0)
    hiss = rng.standard_normal(tracks.shape[1]) * loudest * decibels(rng.uniform(-75, -45))
    return _with_rest(lfilter([1 - dull], [1, -dull], tracks), hiss)


def mastered(tracks: Array, rng: Rng) -> Array:
    """`tracks` through some of all this, in the usual order."""
    for effect, chance in ((in_room, 0.6), (compressed, 0.4), (saturated, 0.35), (taped, 0.15), (coded, 0.12)):
        if rng.random() < chance:
            tracks = effect(tracks, rng)
    return equalised(tracks, rng, 6.0) if rng.random() < 0.6 else tracks


def _with_rest(tracks: Array, rest: Array) -> Array:
    out = np.array(tracks, dtype=np.float32)
    out[-1] += rest
    return out
