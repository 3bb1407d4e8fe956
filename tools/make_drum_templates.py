"""Make bridge/drums/templates.json from one-shot samples.

usage: make_drum_templates.py SAMPLES

SAMPLES holds the folders muldjordkit (CC BY 4.0, "Drum samples provided by DrumGizmo.org"), frankensnare (CC0,
Karoryfer), sonic_pi_samples (CC0) and synthesizer_percussion (CC0, FreePats), each with its FLAC files. Of each kind
of drum in each folder a few samples that differ most from one another are chosen, and every sample is averaged into
the one that it resembles.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from bridge.audio.file import AudioFile
from bridge.drums.bands import BandAnalysis
from bridge.drums.events import describe
from bridge.drums.templates import FLOOR_DB, KINDS, shaped
from bridge.progress import Progress

#: Templates a kind, shared among the folders that have samples of it.
TEMPLATES_PER_KIND = 20
LEAD_S = 0.3
FOLDERS = {
    "muldjordkit": "CC BY 4.0, drum samples provided by DrumGizmo.org",
    "frankensnare": "CC0 1.0, Karoryfer",
    "sonic_pi_samples": "CC0 1.0, Sonic Pi",
    "synthesizer_percussion": "CC0 1.0, FreePats",
}
#: Kind of a sample by the path inside SAMPLES: the first expression that matches.
KIND_OF_PATH = (
    (r"frankensnare/.*(brush|prep|ziggurat|spring)", None),
    (r"muldjordkit/Kdrum|sonic.*/(bd_|drum_heavy_kick|drum_bass|elec_(soft|hollow)_kick)|synth.*Kick", "kick"),
    (r"muldjordkit/Snare|frankensnare/|sonic.*/(sn_|drum_snare|elec_.*snare)|synth.*(Snare|Clap)", "snare"),
    (r"muldjordkit/HihatClosed|sonic.*/(hat_|drum_cymbal_(closed|pedal))|synth.*ClosedHi", "closed_hat"),
    (r"muldjordkit/HihatOpen|sonic.*/drum_cymbal_open|synth.*OpenHi", "open_hat"),
    (r"muldjordkit/(Crash|China)|sonic.*/(drum_cymbal_hard|drum_splash)|synth.*samples__Cymbal", "crash"),
    (r"muldjordkit/Ride|sonic.*/(ride_|drum_cymbal_soft)", "ride"),
    (r"muldjordkit/Tom|sonic.*/drum_tom|synth.*Tom", "tom"),
)


def kind_of(path: str) -> str | None:
    return next((kind for pattern, kind in KIND_OF_PATH if re.search(pattern, path)), None)


def hits(samples: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """(kind, folder, shaped row) of each sample."""
    for path in sorted(samples.rglob("*.flac")):
        name = path.relative_to(samples).as_posix()
        folder, kind = name.split("/")[0], kind_of(name)
        if folder in FOLDERS and kind:
            row = shaped(hit_energy(path)[None])[0]
            yield kind, folder, row / row.sum()


def hit_energy(path: Path) -> np.ndarray:
    """The event that one sample makes after silence, (stretches, bands) power."""
    samples, rate = soundfile.read(path, always_2d=True, dtype="float32")
    mono = samples.mean(axis=1)
    attack = int(np.argmax(np.abs(mono) > 0.03 * np.abs(mono).max()))
    lead = np.zeros(int(LEAD_S * rate), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        placed = Path(folder) / "hit.wav"
        soundfile.write(placed, np.concatenate([lead, mono[max(0, attack - 20) :][:rate], lead]), rate, subtype="FLOAT")
        audio, analysis = AudioFile.open(placed), BandAnalysis(rate)
        power = analysis.power(audio, 0, analysis.frames_of(audio), Progress())
    return describe(power, round(LEAD_S * rate / analysis.hop) - 1)[0]


def chosen(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` averages: the most typical row, then ever the one least like those chosen; each row joins its nearest."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    picked = [int((unit @ unit.mean(axis=0)).argmax())]
    while len(picked) < min(count, len(rows)):
        picked.append(int((unit @ unit[picked].T).max(axis=1).argmin()))
    nearest = (unit @ unit[picked].T).argmax(axis=1)
    return np.stack([rows[nearest == i].mean(axis=0) for i in range(len(picked))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path)
    found = list(hits(parser.parse_args().samples))
    magnitudes: dict[str, list[list[int]]] = {}
    for kind in KINDS:
        folders = sorted({folder for of_kind, folder, _ in found if of_kind == kind})
        share = max(3, TEMPLATES_PER_KIND // len(folders))
        rows = [chosen(np.array([row for k, f, row in found if (k, f) == (kind, folder)]), share) for folder in folders]
        level_db = [20 * np.log10(np.maximum(row / row.max(), 1e-6)) for row in np.vstack(rows)]
        magnitudes[kind] = [np.maximum(np.round(row), FLOOR_DB).astype(int).tolist() for row in level_db]
    target = Path(__file__).parent.parent / "bridge" / "drums" / "templates.json"
    kinds = ",\n".join(
        f'  "{kind}": [\n   ' + ",\n   ".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n  ]"
        for kind, rows in magnitudes.items()
    )
    target.write_text(
        f'{{\n "sources": {json.dumps(FOLDERS)},\n "magnitudes_db": {{\n{kinds}\n }}\n}}\n', encoding="utf-8"
    )
    print(f"{target}: {sum(map(len, magnitudes.values()))} templates of {len(found)} samples")


if __name__ == "__main__":
    main()
