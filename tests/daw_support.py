"""Songs to make projects of, and Live Sets as somebody who knows only their format reads them."""

from __future__ import annotations

import gzip
import importlib.util
import json
import xml.etree.ElementTree as ET
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from bridge.deliver.song import Song, SongPart
from bridge.model import BeatGrid, MidiOptions, Note
from bridge.music.timeline import Timeline

ROOT = Path(__file__).parents[1]
RATE = 8000
#: The part's colour in manifests, and its General MIDI program.
LOOKS = {"bass": (0x5480E4, 33), "melody": (0x3DC300, 0), "vocals": (0xE553A0, 53), "drums": (0xF66C03, None)}


class Folder:
    """An outlet into a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def scratch(self) -> Path:
        return self.path("scratch/x").parent

    def path(self, relative: str) -> Path:
        path = self.root.joinpath(*relative.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_bytes(self, relative: str, data: bytes) -> None:
        self.path(relative).write_bytes(data)


def steady(
    bpm: float = 120.0, first_s: float = 0.0, beats: int = 32, *, downbeat: int = 0, per_bar: int = 4
) -> BeatGrid:
    times = tuple(first_s + index * 60.0 / bpm for index in range(beats))
    return BeatGrid(bpm, times, times[downbeat::per_bar], (per_bar, 4))


def stem(path: Path, seconds: float = 0.5, channels: int = 2) -> Path:
    soundfile.write(path, np.zeros((round(seconds * RATE), channels), np.float32), RATE, subtype="PCM_24", format="WAV")
    return path


def part(
    name: str,
    notes: Iterable[Note] = (),
    *,
    audio: Path | None = None,
    parent: str | None = None,
    color: int = 0x123456,
) -> SongPart:
    color, program = LOOKS.get(name, (color, None if parent else 0))
    found = tuple(sorted(notes))
    return SongPart(name, found, found, audio, color, program, parent, 1.0)


def song(
    parts: Sequence[SongPart], grid: BeatGrid | None = None, duration_s: float = 16.0, *, name: str = "song", **more
) -> Song:
    grid = grid or steady()
    values = {"key": None, "chords": (), "sections": (), "midi": MidiOptions(), **more}
    return Song(
        name=name,
        folder=Path("/result"),
        home=Path("/results") / name,
        duration_s=duration_s,
        sample_rate=RATE,
        timeline=Timeline.from_grid(grid, duration_s),
        grid=grid,
        parts=tuple(parts),
        manifest=None,
        **values,
    )


@cache
def alscheck() -> ModuleType:
    """The checker of sets that lies beside the checkout, made from sets that Live saved; skips where there is none."""
    file = ROOT.parent / "shared/check/alscheck.py"
    if not file.is_file():
        pytest.skip("the checker of Live Sets is not beside the checkout (../shared/check/alscheck.py)")
    spec = importlib.util.spec_from_file_location("alscheck", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _profile() -> dict:
    return json.loads((ROOT.parent / "shared/check/als_profile_11_3.json").read_text("utf-8"))


def problems(path: Path) -> list[str]:
    """What the checker says against a set in its project folder; warnings count."""
    errors, warnings = alscheck().check(_profile(), str(path), project=True)
    return [*errors, *warnings]


def value(element: ET.Element, path: str) -> str:
    found = element.find(path)
    assert found is not None, f"{element.tag} has no {path}"
    return found.attrib["Value"]


class ReadSet:
    """A Live Set as its file says it is."""

    def __init__(self, data: bytes) -> None:
        self.root = ET.fromstring(gzip.decompress(data))
        self.set = self.root.find("LiveSet")
        self.tracks = list(self.set.find("Tracks"))
        mixer = self.set.find("MasterTrack/DeviceChain/Mixer")
        self.tempo = float(value(mixer, "Tempo/Manual"))
        envelopes = {
            value(it, "EnvelopeTarget/PointeeId"): it for it in self.set.find("MasterTrack").iter("AutomationEnvelope")
        }
        self.tempo_points, self.meter_points = (
            [(float(it.get("Time")), float(it.get("Value"))) for it in envelopes[target].find("Automation/Events")]
            for target in (mixer.find(f"{kind}/AutomationTarget").get("Id") for kind in ("Tempo", "TimeSignature"))
        )

    def named(self, name: str) -> ET.Element:
        (found,) = [track for track in self.tracks if value(track, "Name/UserName") == name]
        return found

    def names(self, tag: str | None = None) -> list[str]:
        return [value(track, "Name/UserName") for track in self.tracks if tag in (None, track.tag)]

    def clip(self, name: str) -> ET.Element:
        (found,) = [it for it in self.named(name).iter() if it.tag in ("MidiClip", "AudioClip")]
        return found

    def notes(self, name: str) -> list[tuple[float, float, int, int]]:
        """(beat, length, pitch, velocity), in order."""
        return sorted(
            (float(it.get("Time")), float(it.get("Duration")), int(value(key, "MidiKey")), int(it.get("Velocity")))
            for key in self.named(name).iter("KeyTrack")
            for it in key.iter("MidiNoteEvent")
        )

    def locators(self) -> list[tuple[float, str]]:
        return [(float(value(it, "Time")), value(it, "Name")) for it in self.set.iter("Locator")]

    def tempo_steps(self) -> list[tuple[float, float]]:
        """(beat, BPM) from there on; fails where the tempo glides."""
        points = [(max(0.0, beat), bpm) for beat, bpm in self.tempo_points]
        assert points[0][1] == self.tempo
        for (beat, bpm), (after, next_bpm) in pairwise(points):
            assert beat == after or bpm == next_bpm, "a ramp"
        return list(dict(points).items())

    def seconds(self, beat: float) -> float:
        """When Live plays a beat, counted from the start of the Arrangement."""
        steps = self.tempo_steps()
        ends = [start for start, _ in steps[1:]] + [float("inf")]
        return sum(
            (min(beat, end) - start) * 60 / bpm for (start, bpm), end in zip(steps, ends, strict=True) if start < beat
        )

    def beat_at(self, seconds: float) -> float:
        """The inverse of `seconds`."""
        steps = self.tempo_steps()
        starts_s = [self.seconds(beat) for beat, _ in steps]
        index = max(0, bisect_right(starts_s, seconds) - 1)
        beat, bpm = steps[index]
        return beat + (seconds - starts_s[index]) * bpm / 60

    def meters(self) -> list[tuple[float, int, int]]:
        return [(max(0.0, beat), int(code) % 99 + 1, 2 ** (int(code) // 99)) for beat, code in self.meter_points]

    def bar_lines(self, until: float) -> list[float]:
        lines = []
        meters = self.meters()
        for (start, numerator, denominator), end in zip(meters, [it[0] for it in meters[1:]] + [until], strict=True):
            line = start
            while line < end - 1e-6:
                lines.append(line)
                line += numerator * 4 / denominator
        return lines
