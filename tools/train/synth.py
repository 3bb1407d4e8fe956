"""Drums made by rule: endless kits, and cymbals above all, of which free recordings are few.

Every sound is drawn once (`Recipe`) and then played soft to loud, so that its layers belong to one instrument.
Cymbals and hats are noise whose spectrum is spiky, as that of a plate with many modes is, and whose bands die away at
their own pace; a ride adds a ping, a crash opens up after the stroke. Kicks and toms are sines that fall in pitch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfilt

from bridge.drums.kit_features import SAMPLE_RATE, Array

Rng = np.random.Generator
#: Brightness 0 (soft) to 1 (hard) -> mono samples.
Recipe = Callable[[float], Array]

LAYERS = (0.3, 0.65, 1.0)
_SIZE, _STEP = 4096, 1024


def _seconds(length_s: float) -> Array:
    return np.asarray(np.arange(int(length_s * SAMPLE_RATE)) / SAMPLE_RATE, dtype=np.float32)


def _loguniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _noise(rng: Rng, size: int, low_hz: float, high_hz: float) -> Array:
    band = butter(2, (low_hz, min(high_hz, 20_000.0)), "band", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(band, rng.standard_normal(size)), dtype=np.float32)


def _sweep(t: Array, hertz: float, extra_hz: float, fall_s: float) -> Array:
    """A sine that falls from hertz + extra_hz to hertz."""
    return np.asarray(np.sin(2 * np.pi * (hertz * t + extra_hz * fall_s * (1 - np.exp(-t / fall_s)))), dtype=np.float32)


def kick(rng: Rng) -> Recipe:
    hertz, extra = _loguniform(rng, 38, 75), _loguniform(rng, 20, 400)
    fall_s, ring_s, click = _loguniform(rng, 0.008, 0.06), _loguniform(rng, 0.02, 0.35), rng.uniform(0, 0.8)
    drive, click_hz, tail = rng.uniform(0, 3), _loguniform(rng, 800, 6000), rng.uniform(0, 0.25)
    seed = int(rng.integers(1 << 31))

    def play(hard: float) -> Array:
        own = np.random.default_rng(seed)
        t = _seconds(min(1.5, 6 * ring_s + 0.1))
        body = _sweep(t, hertz, extra * (0.5 + 0.5 * hard), fall_s) * np.exp(-t / ring_s)
        if drive > 1:
            body = np.tanh(drive * body) / np.tanh(drive)
        snap = _noise(own, len(t), click_hz / 2, click_hz * 2) * np.exp(-t / 0.004)
        thud = _noise(own, len(t), 60, 400) * np.exp(-t / 0.06)
        return np.asarray(body + click * hard * snap + tail * thud, dtype=np.float32)

    return play


def machine_kick(rng: Rng) -> Recipe:
    """A drum machine's: a long, often driven sine whose fall is heard, with little or no click."""
    hertz, octaves = _loguniform(rng, 33, 95), rng.uniform(0.5, 4.0)
    fall_s, ring_s, drive = _loguniform(rng, 0.01, 0.12), _loguniform(rng, 0.08, 1.0), rng.uniform(0.2, 6.0)
    click, bright, seed = rng.uniform(0, 0.5), _loguniform(rng, 2000, 9000), int(rng.integers(1 << 31))

    def play(hard: float) -> Array:
        t = _seconds(min(3.0, 5 * ring_s + 0.1))
        pitch_hz = hertz * 2 ** (octaves * (0.7 + 0.3 * hard) * np.exp(-t / fall_s))
        body = np.tanh(drive * np.sin(2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE)) / np.tanh(drive)
        snap = _noise(np.random.default_rng(seed), len(t), bright / 2, bright) * np.exp(-t / 0.003)
        rise = 1 - np.exp(-t / 0.0008)
        return np.asarray(body * rise * np.exp(-t / ring_s) + click * hard * snap, dtype=np.float32)

    return play


def snare(rng: Rng) -> Recipe:
    hertz, ring_s = _loguniform(rng, 130, 330), _loguniform(rng, 0.02, 0.12)
    low, high = _loguniform(rng, 150, 1800), _loguniform(rng, 3000, 16_000)
    wires_s, tone = _loguniform(rng, 0.015, 0.15), rng.uniform(0.3, 2.5)
    seed = int(rng.integers(1 << 31))

    def play(hard: float) -> Array:
        own = np.random.default_rng(seed)
        t = _seconds(1.0)
        head = _sweep(t, hertz, 0.3 * hertz, 0.02) + 0.6 * _sweep(t, 1.59 * hertz, 0.2 * hertz, 0.02)
        wires = _noise(own, len(t), low, high) * np.exp(-t / wires_s)
        crack = _noise(own, len(t), 1500, 12_000) * np.exp(-t / 0.008)
        return np.asarray(tone * head * np.exp(-t / ring_s) + wires + 1.5 * hard * crack, dtype=np.float32)

    return play


def clap(rng: Rng) -> Recipe:
    low, high, tail_s = _loguniform(rng, 500, 1100), _loguniform(rng, 2500, 9000), _loguniform(rng, 0.03, 0.2)
    gaps = np.cumsum(rng.uniform(0.006, 0.014, 3))
    seed = int(rng.integers(1 << 31))

    def play(hard: float) -> Array:
        del hard
        t = _seconds(0.7)
        shape = sum(np.where(t >= gap, np.exp(-np.maximum(t - gap, 0) / 0.004), 0) for gap in (0.0, *gaps[:2]))
        shape = shape + np.where(t >= gaps[2], np.exp(-np.maximum(t - gaps[2], 0) / tail_s), 0)
        return np.asarray(_noise(np.random.default_rng(seed), len(t), low, high) * shape, dtype=np.float32)

    return play


def tom(low_hz: float, high_hz: float) -> Callable[[Rng], Recipe]:
    def draw(rng: Rng) -> Recipe:
        hertz, ring_s = _loguniform(rng, low_hz, high_hz), _loguniform(rng, 0.05, 0.4)
        bend, stick, over = rng.uniform(0.05, 0.6), rng.uniform(0.05, 0.6), rng.uniform(0, 0.4)
        seed = int(rng.integers(1 << 31))

        def play(hard: float) -> Array:
            t = _seconds(min(2.0, 6 * ring_s + 0.1))
            body = _sweep(t, hertz, bend * hertz * hard, 0.04) + over * _sweep(t, 1.6 * hertz, 0, 0.04) * np.exp(
                -t / 0.05
            )
            hit = _noise(np.random.default_rng(seed), len(t), 500, 5000) * np.exp(-t / 0.01)
            return np.asarray(body * np.exp(-t / ring_s) + stick * hard * hit, dtype=np.float32)

        return play

    return draw


def _plate(rng: Rng, length_s: float, tilt_db: float, low_hz: float, decay_s: Array, spiky: float) -> Array:
    """Noise with a spiky spectrum that falls from `low_hz` on by `tilt_db` an octave; `decay_s` is by bin."""
    frames = int(length_s * SAMPLE_RATE) // _STEP + 6
    hertz = np.fft.rfftfreq(_SIZE, 1 / SAMPLE_RATE)
    level = 10 ** (tilt_db / 20 * np.log2(np.maximum(hertz, 50) / 5000))
    level = level / (1 + (low_hz / np.maximum(hertz, 20)) ** 4) * np.exp(spiky * rng.standard_normal(len(hertz)))
    phase = np.exp(2j * np.pi * rng.random((frames, len(hertz))))
    fall = np.exp(-np.arange(frames)[:, None] * _STEP / SAMPLE_RATE / decay_s)
    rows = np.fft.irfft(level * fall * phase, axis=1) * np.hanning(_SIZE)
    out = np.zeros((frames + 4) * _STEP)
    for place, row in enumerate(rows):
        out[place * _STEP : place * _STEP + _SIZE] += row
    sound = out[3 * _STEP :][
        : int(length_s * SAMPLE_RATE)
    ]  # from where the frames overlap fully: a stroke has no fade-in
    return np.asarray(sound / (np.abs(sound).max() + 1e-9), dtype=np.float32)


def _by_frequency(rng: Rng, base_s: float, slope: float) -> Array:
    """Decay times by bin: `base_s` at 5 kHz, shorter above it where `slope` is positive."""
    hertz = np.maximum(np.fft.rfftfreq(_SIZE, 1 / SAMPLE_RATE), 100)
    return np.asarray(
        base_s * (hertz / 5000) ** -slope * np.exp(0.3 * rng.standard_normal(len(hertz))), dtype=np.float32
    )


def hat(shortest_s: float, longest_s: float) -> Callable[[Rng], Recipe]:
    def draw(rng: Rng) -> Recipe:
        decay_s, tilt, low = _loguniform(rng, shortest_s, longest_s), rng.uniform(-9, 2), _loguniform(rng, 200, 6000)
        slope, spiky, tick, seed = (
            rng.uniform(-0.1, 0.5),
            rng.uniform(0.1, 1.2),
            rng.uniform(0, 1.5),
            int(rng.integers(1 << 31)),
        )

        def play(hard: float) -> Array:
            own = np.random.default_rng(seed)
            length_s = min(3.0, 6 * decay_s + 0.05)
            ring_s = decay_s * (0.7 + 0.3 * hard)
            # The frames are too long for a decay of milliseconds: texture without decay, then its envelope.
            sound = _plate(own, length_s, tilt + 2 * hard, low, _by_frequency(own, max(ring_s, 0.15), slope), spiky)
            t = np.arange(len(sound)) / SAMPLE_RATE
            if ring_s < 0.15:
                sound = sound * np.exp(-t / ring_s)
            strike = _noise(own, len(t), 3000, 16_000) * np.exp(-t / 0.004)
            return np.asarray(sound + 0.5 * tick * hard * strike, dtype=np.float32)

        return play

    return draw


def square_hat(shortest_s: float, longest_s: float) -> Callable[[Rng], Recipe]:
    """Six square waves behind a high-pass, as drum machines have them."""

    def draw(rng: Rng) -> Recipe:
        decay_s, low = _loguniform(rng, shortest_s, longest_s), _loguniform(rng, 5000, 9000)
        hertz = 400 * np.exp(rng.uniform(-0.4, 0.7)) * np.array([1, 1.342, 1.2312, 1.6532, 1.9523, 2.1523])

        def play(hard: float) -> Array:
            t = _seconds(min(2.0, 6 * decay_s + 0.05))
            metal = sum(np.sign(np.sin(2 * np.pi * one * t)) for one in hertz)
            high = butter(3, low, "high", fs=SAMPLE_RATE, output="sos")
            return np.asarray(sosfilt(high, metal) * np.exp(-t / (decay_s * (0.8 + 0.2 * hard))), dtype=np.float32)

        return play

    return draw


def crash(rng: Rng) -> Recipe:
    decay_s, tilt, low = _loguniform(rng, 0.15, 1.5), rng.uniform(-10, -1), _loguniform(rng, 100, 1200)
    slope, spiky, bloom_s = rng.uniform(0, 0.6), rng.uniform(0.2, 1.0), _loguniform(rng, 0.003, 0.05)
    seed = int(rng.integers(1 << 31))

    def play(hard: float) -> Array:
        own = np.random.default_rng(seed)
        length_s = min(5.0, 4 * decay_s + 0.2)
        wash = _plate(own, length_s, tilt + 2 * hard, low, _by_frequency(own, decay_s, slope), spiky)
        t = np.arange(len(wash)) / SAMPLE_RATE
        stroke = _noise(own, len(t), 800, 14_000) * np.exp(-t / 0.02)
        return np.asarray(wash * (1 - 0.7 * np.exp(-t / bloom_s)) + 0.4 * hard * stroke, dtype=np.float32)

    return play


def ride(rng: Rng) -> Recipe:
    decay_s, tilt, low = _loguniform(rng, 0.2, 2.5), rng.uniform(-6, 2), _loguniform(rng, 200, 3000)
    wash, ping = _loguniform(rng, 0.03, 0.7), _loguniform(rng, 0.2, 1.5)
    modes = np.sort(_loguniform(rng, 350, 900) * np.exp(np.cumsum(rng.uniform(0.1, 0.5, 10))))
    rings_s, gains = np.exp(rng.uniform(np.log(0.08), np.log(0.9), 10)), rng.uniform(0.1, 1.0, 10)
    stick_s, seed = _loguniform(rng, 0.005, 0.05), int(rng.integers(1 << 31))

    def play(hard: float) -> Array:
        own = np.random.default_rng(seed)
        length_s = min(5.0, 4 * decay_s + 0.2)
        body = _plate(own, length_s, tilt, low, _by_frequency(own, decay_s, 0.2), 0.9)
        t = np.arange(len(body)) / SAMPLE_RATE
        tones = sum(
            g * np.sin(2 * np.pi * m * t) * np.exp(-t / r) for m, r, g in zip(modes, rings_s, gains, strict=True)
        )
        stick = _noise(own, len(t), 2000, 15_000) * np.exp(-t / stick_s)
        return np.asarray(wash * body + 0.12 * ping * (0.5 + 0.5 * hard) * tones + 0.5 * stick, dtype=np.float32)

    return play


def shaker(rng: Rng) -> Recipe:
    low, rise_s, fall_s = _loguniform(rng, 2500, 7000), _loguniform(rng, 0.005, 0.05), _loguniform(rng, 0.02, 0.12)
    seed = int(rng.integers(1 << 31))

    def play(hard: float) -> Array:
        del hard
        t = _seconds(0.5)
        return np.asarray(
            _noise(np.random.default_rng(seed), len(t), low, 3 * low) * (1 - np.exp(-t / rise_s)) * np.exp(-t / fall_s),
            dtype=np.float32,
        )

    return play


#: How a drum of each kind is drawn: one of these, at random.
RECIPES: dict[str, tuple[Callable[[Rng], Recipe], ...]] = {
    "kick": (kick, machine_kick),
    "snare": (snare, snare, clap),
    "closed_hat": (hat(0.012, 0.07), hat(0.02, 0.1), square_hat(0.015, 0.08)),
    "open_hat": (hat(0.2, 1.0), hat(0.15, 0.6), square_hat(0.15, 0.5)),
    "crash": (crash,),
    "ride": (ride,),
    "tom_high": (tom(120, 300),),
    "tom_mid": (tom(90, 190),),
    "tom_low": (tom(55, 115),),
    "distractor": (shaker,),
}


def layers(kind: str, rng: Rng) -> list[Array]:
    """One drawn drum of `kind`, played soft to loud."""
    recipes = RECIPES[kind]
    play = recipes[int(rng.integers(len(recipes)))](rng)
    return [play(hard) for hard in LAYERS]
