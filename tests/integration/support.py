"""A small song, and what its conversions look like from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

RATE = 44100


@dataclass
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str
    events: list[dict] = field(default_factory=list)

    @property
    def stages(self) -> list[str]:
        """The stages that were really done, in order."""
        return list(dict.fromkeys(event["stage"] for event in self.events if event["event"] == "progress"))


def song_samples(seconds: float = 4.0, rate: int = RATE) -> np.ndarray:
    """A stereo loop at 120 BPM: kick and noise hits, a bass line, a wide chord, a centred lead."""
    time = np.arange(round(seconds * rate)) / rate
    beat = time % 0.5
    kick = np.sin(2 * np.pi * (50 * beat + 30 * (1 - np.exp(-beat * 40)) / 40)) * np.exp(-beat * 25)
    noise = np.random.default_rng(1).standard_normal(len(time))
    hat = noise * np.exp(-((time + 0.25) % 0.5) * 60) * 0.15
    snare = noise * np.exp(-((time + 0.5) % 1.0) * 30) * 0.3
    bass_hz = np.where((time // 1.0) % 2 == 0, 55.0, 73.416)
    bass = np.sin(2 * np.pi * np.cumsum(bass_hz) / rate) * np.exp(-beat * 3) * 0.5
    chord = sum(np.sin(2 * np.pi * hz * time) for hz in (220.0, 261.626, 329.628)) * 0.08
    lead = np.sin(2 * np.pi * 440.0 * time) * ((time % 1.0) < 0.6) * 0.15
    middle = 0.7 * kick + hat + snare + bass + lead
    return (np.stack([middle + chord, middle - chord], axis=1) * 0.4).astype(np.float32)


def leftovers(folder: Path) -> Sequence[str]:
    """Names of everything in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())
