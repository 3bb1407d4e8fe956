#!/usr/bin/env python3
"""Draw a result folder as docs/images/demo.svg: each part's stem as a waveform, its notes over it.

usage: make_picture.py RESULT [TARGET]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bridge.audio.file import AudioFile
from bridge.model import COMPONENT_OF_KEY, COMPONENTS, Note
from bridge.write import manifest as manifests
from bridge.write import notes as note_files

WIDTH, LANE, GAP, LABEL = 960, 84, 10, 76
COLUMNS = 440


def main() -> None:
    """Draw what the command line names."""
    result = Path(sys.argv[1])
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "docs/images/demo.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture(result), encoding="utf-8")
    print(f"wrote {target}")


def picture(result: Path) -> str:
    """The picture of a result folder as SVG text."""
    manifest = manifests.read(result)
    parts = [part for part in manifest.parts if part.parent is None and part.audio and part.notes]
    height = len(parts) * (LANE + GAP) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="14" role="img" aria-label="stems and notes of {result.name}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#14161a"/>',
    ]
    for index, part in enumerate(parts):
        audio = AudioFile.open(result / str(part.audio))
        found = note_files.read(result / str(part.notes))
        lines += lane(part.name, part.color.replace("0x", "#"), audio, found, GAP + index * (LANE + GAP))
    return "\n".join([*lines, "</svg>", ""])


def lane(name: str, color: str, audio: AudioFile, found: list[Note], top: float) -> Iterator[str]:
    """One part: name, waveform, notes."""
    scale = (WIDTH - LABEL - GAP) / audio.duration_s
    yield f'<text x="{GAP}" y="{top + LANE / 2 + 5:.0f}" fill="#e8e8e8">{name}</text>'
    yield f'<rect x="{LABEL}" y="{top}" width="{WIDTH - LABEL - GAP}" height="{LANE}" rx="4" fill="#1f232a"/>'
    yield f'<path d="{waveform(audio, top)}" fill="{color}" opacity="0.35"/>'
    for note, y, thickness in rows(name, found, top):
        x, width = LABEL + note.onset_s * scale, max(1.5, (note.offset_s - note.onset_s) * scale - 0.5)
        shade = 0.45 + 0.55 * note.velocity / 127
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{thickness:.1f}" rx="1" '
            f'fill="{color}" stroke="#fff" stroke-width="0.4" opacity="{shade:.2f}"/>'
        )


def waveform(audio: AudioFile, top: float) -> str:
    """The outline of the peaks, as an SVG path."""
    samples = audio.read().mean(axis=1)
    peaks = np.array([np.abs(piece).max(initial=0.0) for piece in np.array_split(samples, COLUMNS)])
    peaks = peaks / max(1e-6, float(peaks.max())) * (LANE / 2 - 4)
    xs = LABEL + np.linspace(0, WIDTH - LABEL - GAP, COLUMNS)
    middle = top + LANE / 2
    upper = [f"{x:.1f},{middle - peak:.1f}" for x, peak in zip(xs, peaks, strict=True)]
    lower = [f"{x:.1f},{middle + peak:.1f}" for x, peak in zip(xs, peaks, strict=True)][::-1]
    return f"M{' L'.join(upper + lower)}Z"


def rows(name: str, found: list[Note], top: float) -> Iterator[tuple[Note, float, float]]:
    """Each note with its vertical place and height: pitch for pitched parts, a row for each component of the drums."""
    if name == "drums":
        height = (LANE - 8) / len(COMPONENTS)
        for note in found:
            row = COMPONENTS[::-1].index(COMPONENT_OF_KEY[note.pitch])
            yield note, top + 4 + row * height, height - 2
        return
    pitches = [note.pitch for note in found] or [60]
    low, span = min(pitches) - 1, max(pitches) - min(pitches) + 3
    for note in found:
        yield note, top + LANE - 4 - (note.pitch - low + 1) / span * (LANE - 8), max(2.5, (LANE - 8) / span)


if __name__ == "__main__":
    main()
