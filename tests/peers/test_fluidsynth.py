"""Previews beside those of FluidSynth, the reference among players of soundfonts."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from bridge.audio.sampler import Instrument
from bridge.audio.soundfont import SoundFont
from bridge.deliver.preview import bundled_soundfont
from bridge.model import Note
from bridge.music.timeline import SignatureEvent, TempoEvent, Timeline
from bridge.write.midi import VOICES, MidiPart, part_file

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs Debian's fluidsynth"),
]
RATE = 44100
SECONDS = 12
#: Edges of the bands that are compared, Hz.
BANDS = (60, 125, 250, 500, 1000, 2000, 4000)


def notes_of(name: str) -> list[Note]:
    """A note every 0.4 s, of many keys, lengths and velocities."""
    random = np.random.default_rng(1)
    keys = (36, 38, 42, 46, 49, 45) if VOICES[name].program is None else range(*{"bass": (30, 52)}.get(name, (52, 77)))
    return [
        Note(
            start_s, start_s + random.uniform(0.1, 0.35), int(random.choice(list(keys))), int(random.integers(40, 128))
        )
        for start_s in np.arange(0.2, SECONDS - 2, 0.4).tolist()
    ]


def by_fluidsynth(name: str, notes: list[Note], folder: Path) -> NDArray[np.float64]:
    timeline = Timeline.from_events([TempoEvent(0, 500_000)], [SignatureEvent(0, 4, 4)], SECONDS)
    (folder / "part.mid").write_bytes(part_file(MidiPart.of(name, notes), timeline))
    subprocess.run(
        ["fluidsynth", "-ni", "-R", "0", "-C", "0", "-r", str(RATE), "-g", "0.5", "-F", folder / "part.wav",
         bundled_soundfont(), folder / "part.mid"],
        check=True, capture_output=True,
    )  # fmt: skip
    samples = soundfile.read(folder / "part.wav", always_2d=True)[0].mean(axis=1)
    return np.pad(samples, (0, SECONDS * RATE))[: SECONDS * RATE]


def by_us(name: str, notes: list[Note]) -> NDArray[np.float64]:
    instrument = Instrument(SoundFont(bundled_soundfont()), VOICES[name].program, RATE)
    out = np.zeros(2 * SECONDS * RATE)
    for note in notes:
        start = round(note.onset_s * RATE)
        samples = instrument.play(note.pitch, note.velocity, note.offset_s - note.onset_s).mean(axis=1)
        out[start : start + len(samples)] += samples[: len(out) - start]
    return out[: SECONDS * RATE]


def levels_db(samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Level over time (every 50 ms), and of each band."""
    blocks = (samples.reshape(-1, RATE // 20) ** 2).mean(axis=1)
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    edges = [round(hz * SECONDS) for hz in BANDS]
    return 10 * np.log10(blocks + 1e-9), 10 * np.log10([spectrum[a:b].sum() for a, b in pairwise(edges)])


@pytest.mark.parametrize("name", ["bass", "melody", "vocals", "drums"])
def test_a_part_sounds_as_fluidsynth_plays_it(name: str, tmp_path: Path) -> None:
    notes = notes_of(name)
    (theirs, their_bands), (ours, our_bands) = (
        levels_db(by_fluidsynth(name, notes, tmp_path)),
        levels_db(by_us(name, notes)),
    )
    assert np.corrcoef(theirs, ours)[0, 1] > 0.97
    loud = their_bands > their_bands.max() - 25
    difference = (our_bands - their_bands)[loud]
    assert np.ptp(difference) < 3.0
