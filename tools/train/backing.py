"""What plays along with the drums: songs without their drums (`freedoom_midi`, by a soundfont) and made-up voices."""

from __future__ import annotations

import subprocess
from pathlib import Path

import mido
import numpy as np
import soundfile
from scipy.signal import butter, lfilter, sosfilt

from bridge.drums.kit_features import SAMPLE_RATE, Array
from tools.train.soundfonts import render_midi

Rng = np.random.Generator
LENGTH_S = 45.0
_DRUM_CHANNEL = 9


def render_backings(songs: Path, font: Path, target: Path, most: int | None = None) -> list[Path]:
    """Write 45 s of each song without its drums to `target`; what is there is kept. Returns the files."""
    target.mkdir(parents=True, exist_ok=True)
    for song in sorted(songs.glob("*.mid"))[:most]:
        path = target / f"{song.stem}.flac"
        if path.exists():
            continue
        try:
            sound = render_midi(font, without_drums(mido.MidiFile(song)), effects=True).mean(axis=1)
        except (subprocess.SubprocessError, OSError, ValueError, EOFError) as error:
            print(f"{song.name} is left out: {error}")
            continue
        sound = sound[: int(LENGTH_S * SAMPLE_RATE)]
        if np.abs(sound).max(initial=0) > 1e-3:
            soundfile.write(path, 0.7 * sound / np.abs(sound).max(), SAMPLE_RATE)
    return sorted(target.glob("*.flac"))


def without_drums(song: mido.MidiFile) -> mido.MidiFile:
    """`LENGTH_S` from the middle of `song`, without drums and pedals, every note ended."""
    messages, now = [], 0.0
    for message in song:
        now += message.time
        messages.append((now, message))
    begin = max(0.0, (now - LENGTH_S) / 2)
    cut = mido.MidiFile(ticks_per_beat=1000)
    track = mido.MidiTrack()
    cut.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    last, sounding = 0, set()
    for at, message in messages:
        if message.is_meta or message.type == "sysex" or message.channel == _DRUM_CHANNEL or at > begin + LENGTH_S:
            continue
        if message.type == "control_change" and message.control in (64, 66):
            continue
        if at < begin and message.type in ("note_on", "note_off"):
            continue
        tick = round(max(0.0, at - begin) * 1000)
        track.append(message.copy(time=tick - last))
        last = tick
        if message.type == "note_on" and message.velocity > 0:
            sounding.add((message.channel, message.note))
        elif message.type in ("note_on", "note_off"):
            sounding.discard((message.channel, message.note))
    for channel, note in sorted(sounding):
        track.append(mido.Message("note_off", channel=channel, note=note, time=0))
    return cut


def stretch(path: Path, length_s: float, rng: Rng) -> Array:
    """A random stretch of a backing at a random pitch (by playing it faster or slower), mono."""
    speed = 2 ** rng.uniform(-0.3, 0.3)
    wanted = int(length_s * SAMPLE_RATE * speed) + 2
    with soundfile.SoundFile(path) as file:
        file.seek(int(rng.integers(0, max(1, file.frames - wanted))))
        sound = file.read(wanted, dtype="float32")
    sound = np.pad(sound, (0, max(0, wanted - len(sound))), mode="wrap" if len(sound) else "constant")
    places = np.arange(int(length_s * SAMPLE_RATE)) * speed
    return np.asarray(np.interp(places, np.arange(len(sound)), sound), dtype=np.float32)


#: First three formants (Hz) of a, e, i, o, u (Peterson & Barney 1952, men's means, rounded).
VOWELS_HZ = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))


def voice(length_s: float, rng: Rng) -> Array:
    """Syllables that nobody sang: pulses with vibrato through formants, with hissed and plosive consonants."""
    size = int(length_s * SAMPLE_RATE)
    out = np.zeros(size, dtype=np.float32)
    at, base_hz = rng.uniform(0, 0.5), np.exp(rng.uniform(np.log(90), np.log(400)))
    rest = rng.uniform(0.05, 0.5)
    while at < length_s - 0.1:
        syllable = _syllable(
            float(np.exp(rng.uniform(np.log(0.1), np.log(0.9)))), base_hz * 2 ** (rng.integers(-5, 8) / 12), rng
        )
        start = int(at * SAMPLE_RATE)
        part = syllable[: size - start]
        out[start : start + len(part)] += part
        at += len(syllable) / SAMPLE_RATE * rng.uniform(0.8, 1.1) + (
            rng.exponential(0.8) if rng.random() < rest else 0.0
        )
    return np.asarray(out / (np.abs(out).max() + 1e-9), dtype=np.float32)


def _syllable(length_s: float, hertz: float, rng: Rng) -> Array:
    size = int(length_s * SAMPLE_RATE)
    t = np.arange(size) / SAMPLE_RATE
    vibrato = rng.uniform(0, 0.02) * np.sin(2 * np.pi * rng.uniform(4, 7) * t) * np.minimum(t / 0.2, 1)
    glide = rng.uniform(-0.1, 0.1) * np.exp(-t / 0.06)
    phase = np.cumsum(hertz * (1 + vibrato + glide)) / SAMPLE_RATE
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.01 * rng.standard_normal(size)
    for formant in VOWELS_HZ[int(rng.integers(len(VOWELS_HZ)))]:
        pulses = pulses + 3 * _resonance(
            pulses.astype(np.float32), formant * rng.uniform(0.9, 1.2), rng.uniform(60, 140)
        )
    edge = np.minimum(1, np.minimum(t / rng.uniform(0.005, 0.06), (length_s - t) / 0.05))
    vowel = pulses * np.maximum(edge, 0)
    vowel /= np.abs(vowel).max() + 1e-9
    consonant = rng.random()
    if consonant < 0.35:
        low = rng.uniform(2500, 7000)
        hiss = sosfilt(
            butter(2, (low, min(20_000, 2.5 * low)), "band", fs=SAMPLE_RATE, output="sos"),
            rng.standard_normal(int(rng.uniform(0.04, 0.15) * SAMPLE_RATE)),
        )
        hiss *= np.hanning(len(hiss)) * rng.uniform(0.1, 0.7) / (np.abs(hiss).max() + 1e-9)
        return np.asarray(np.concatenate([hiss, vowel]), dtype=np.float32)
    if consonant < 0.6:
        burst = rng.standard_normal(int(0.02 * SAMPLE_RATE)) * np.exp(
            -np.arange(int(0.02 * SAMPLE_RATE)) / SAMPLE_RATE / 0.005
        )
        return np.asarray(
            np.concatenate([rng.uniform(0.1, 0.5) * burst / np.abs(burst).max(), vowel]), dtype=np.float32
        )
    return np.asarray(vowel, dtype=np.float32)


def _resonance(sound: Array, hertz: float, width_hz: float) -> Array:
    radius = np.exp(-np.pi * width_hz / SAMPLE_RATE)
    return np.asarray(
        lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * hertz / SAMPLE_RATE), radius**2], sound)
    )
