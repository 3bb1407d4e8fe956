"""Makes the recordings and keeps them as envelopes: <folder>/<name>.npz, with the truth."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile

from bridge.audio.file import AudioFile
from bridge.progress import Progress
from bridge.separation.builtin import BuiltinSeparator
from bridge.tempo.envelope import Envelopes, measure_envelopes
from tools.tempo.band import song
from tools.tempo.score import Piece, Truth
from tools.tempo.sources import freedoom, grooves
from tools.tempo.styles import STYLES
from tools.train.soundfonts import RATE, render_midi

LENGTH_S = 40.0
SEEDS, GROOVES = 4, 60
#: Noise under everything, in dB below full scale: a quiet room to a bad tape.
NOISE_DB = (-70.0, -35.0)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A recording's envelopes (mix; drums as the built-in separator gives them) and its truth."""

    name: str
    kind: str
    envelopes: list[Envelopes]
    truth: Truth

    @property
    def is_held_out(self) -> bool:
        """Whether the case is for judging only: every other one, by its name."""
        return crc32(self.name.encode()) % 2 == 0


def pieces(samples: Path, there: Container[str]) -> Iterator[Piece]:
    """All pieces but those that are there: drummers, made-up songs in every style, Freedoom's songs."""
    yield from grooves(samples / "groove_midi", LENGTH_S, GROOVES, there)
    for seed in range(SEEDS):
        yield from (song(style, seed, LENGTH_S) for style in STYLES if f"{style}_{seed}" not in there)
    yield from freedoom(samples / "freedoom_midi", LENGTH_S, there)


def prepare(samples: Path, font: Path, folder: Path) -> None:
    """Render all pieces and write their envelopes; what is there is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for piece in pieces(samples, {path.stem for path in folder.glob("*.npz")}):
        path = folder / f"{piece.name}.npz"
        try:
            sound = _rendered(piece, font)
        except subprocess.SubprocessError as error:
            print(f"{piece.name} is left out: {error}")
            continue
        _write(path, piece, _envelopes(sound))
        print(piece.name, flush=True)


def load(folder: Path) -> Iterator[Case]:
    """The cases of a folder, by name."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            told = json.loads(str(stored["told"]))
            truth = Truth(stored["beats_s"], stored["downbeats_s"], tuple(told["time_signature"]), told["is_constant"])
            envelopes = [
                Envelopes(
                    *told["rates"][source], *(stored[f"{source}_{name}"] for name in ("coarse", "fine", "chroma"))
                )
                for source in ("mix", "drums")
            ]
        yield Case(path.stem, told["kind"], envelopes, truth)


def _rendered(piece: Piece, font: Path) -> np.ndarray:
    rng = np.random.default_rng(crc32(piece.name.encode()))
    sound = render_midi(font, piece.midi(), effects=bool(rng.random() < 0.7))[: int(piece.length_s * RATE)]
    sound *= 0.7 / max(1e-6, float(np.abs(sound).max()))
    return sound + 10 ** (rng.uniform(*NOISE_DB) / 20) * rng.normal(size=sound.shape).astype(np.float32)


def _envelopes(sound: np.ndarray) -> dict[str, Envelopes]:
    with tempfile.TemporaryDirectory() as scratch:
        mix = _opened(Path(scratch) / "mix.wav", sound)
        drums = np.concatenate([block["drums"] for block in BuiltinSeparator().separate(mix, Progress())])
        sources = {"mix": mix, "drums": _opened(Path(scratch) / "drums.wav", drums)}
        return {name: measure_envelopes(source, Progress()) for name, source in sources.items()}


def _opened(path: Path, sound: np.ndarray) -> AudioFile:
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    return AudioFile.open(path)


def _write(path: Path, piece: Piece, envelopes: dict[str, Envelopes]) -> None:
    truth = piece.truth
    told = {
        "kind": piece.kind,
        "time_signature": truth.time_signature,
        "is_constant": truth.is_constant,
        "rates": {key: (made.duration_s, made.coarse_fps, made.fine_fps) for key, made in envelopes.items()},
    }
    curves = {
        f"{key}_{name}": getattr(made, name) for key, made in envelopes.items() for name in ("coarse", "fine", "chroma")
    }
    np.savez(path, told=json.dumps(told), beats_s=truth.beats_s, downbeats_s=truth.downbeats_s, **curves)
