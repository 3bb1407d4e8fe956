"""Single hits of a soundfont's General MIDI drum kits, rendered by fluidsynth once and kept as files."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
import soundfile

from tools.train.libraries import KINDS_OF_KEYS

#: Programs of bank 128: the standard kit and its variants.
KITS = {0: "standard", 8: "room", 16: "power", 24: "electronic", 25: "tr808", 32: "jazz", 40: "brush"}
VELOCITIES = (35, 70, 100, 122)
LENGTH_S = 2.5
RATE = 44_100
_TIMEOUT_S = 120
#: Not all samples of a font at once: decoding those of a compressed one takes longer than playing a song.
_SAMPLES_AS_NEEDED = ("-o", "synth.dynamic-sample-loading=1")


def render_kits(font: Path, target: Path, most: int | None = None) -> None:
    """Write <target>/<font>/<kit>/<key>_<velocity>.flac for every kit; nothing where they are there already."""
    for program, kit in list(KITS.items())[:most]:
        folder = target / font.stem / kit
        if not folder.exists():
            _render_kit(font, program, folder)


def render_midi(font: Path, song: mido.MidiFile, gain: float = 0.5, effects: bool = False) -> np.ndarray:
    """What fluidsynth makes of `song`, (samples, 2) at `RATE`.

    Raises
    ------
    subprocess.TimeoutExpired
        When it doesn't end: a held pedal can ring for ever.
    """
    with tempfile.TemporaryDirectory() as scratch:
        midi, wave = Path(scratch) / "song.mid", Path(scratch) / "song.wav"
        song.save(midi)
        effects_on = "1" if effects else "0"
        options = ["-ni", "-q", "-g", str(gain), "-R", effects_on, "-C", effects_on, "-r", str(RATE)]
        options += _SAMPLES_AS_NEEDED
        command = ["fluidsynth", *options, "-F", str(wave), str(font), str(midi)]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
        return np.asarray(soundfile.read(wave, dtype="float32", always_2d=True)[0])


def _render_kit(font: Path, program: int, folder: Path) -> None:
    hits = [(key, velocity) for keys in KINDS_OF_KEYS.values() for key in keys for velocity in VELOCITIES]
    song = mido.MidiFile(ticks_per_beat=1000)
    track = mido.MidiTrack()
    song.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))  # a tick is a millisecond
    track.append(mido.Message("program_change", channel=9, program=program))
    for key, velocity in hits:
        track.append(mido.Message("note_on", channel=9, note=key, velocity=velocity, time=0))
        track.append(mido.Message("note_off", channel=9, note=key, time=round(LENGTH_S * 1000)))
    sound = render_midi(font, song).mean(axis=1)
    folder.mkdir(parents=True)
    for place, (key, velocity) in enumerate(hits):
        one = sound[round(place * LENGTH_S * RATE) :][: round((LENGTH_S - 0.02) * RATE)]
        if np.abs(one).max(initial=0) > 1e-4:
            soundfile.write(folder / f"{key}_{velocity}.flac", one, RATE)
