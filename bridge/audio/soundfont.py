"""Soundfonts: which samples an instrument plays for a note, and how. SF2, and SF3, whose samples are Ogg Vorbis.

After the SoundFont 2.04 technical specification. Modulators are left out: of the default ones only that of velocity
matters to a written note, and `bridge.audio.sampler` has it; so are the two LFOs, and what the modulation envelope
does to pitch. Times in a soundfont are in timecents: 1200 log2 of seconds.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from bridge.audio.soundfont_file import TABLES, chunks, part, table
from bridge.audio.source import shown_name
from bridge.errors import InvalidRequest

#: Where General MIDI keeps its percussion.
PERCUSSION_BANK = 128
#: An attenuation of 10 is 0.4 dB and not 1 dB as the specification says: so did the sound cards, so do players since.
_DB_PER_ATTENUATION = 0.04
#: Bit of a sample's type that says that it is compressed (SF3).
_IS_VORBIS = 0x10
#: Bit of a sample's type for samples in a sound card's ROM.
_IS_ROM = 0x8000


class _Gen:
    """Numbers of the generators that are read (specification 8.1.2)."""

    START, END, LOOP_START, LOOP_END = 0, 1, 2, 3
    START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE = 4, 12, 45, 50
    CUTOFF, RESONANCE, PAN = 8, 9, 17
    BRIGHTNESS = 11
    VOLUME_TIMES, BRIGHTNESS_TIMES = 33, 25  # the first of eight: see `_course`
    INSTRUMENT, KEYS, VELOCITIES = 41, 43, 44
    ATTENUATION = 48
    SEMITONES, CENTS, SAMPLE, LOOPING, SCALE, CHOKES, ROOT = 51, 52, 53, 54, 56, 57, 58


#: What a generator is where nothing is said.
_DEFAULTS: Mapping[int, int] = {
    _Gen.CUTOFF: 13500,
    **dict.fromkeys((*range(25, 29), 30, *range(33, 37), 38), -12000),
    _Gen.ROOT: -1,
    _Gen.SCALE: 100,
}
#: What a preset adds to its instruments' own values; other generators it may not have (specification 8.5).
_ADDED_BY_PRESETS = frozenset(
    {_Gen.CUTOFF, _Gen.RESONANCE, _Gen.BRIGHTNESS, _Gen.PAN, *range(25, 41)}
    | {_Gen.ATTENUATION, _Gen.SEMITONES, _Gen.CENTS, _Gen.SCALE}
)


@dataclass(frozen=True, slots=True)
class Course:
    """How something rises to its full height and falls again while a key is held, and after.

    Attributes
    ----------
    delay_s, attack_s, hold_s
        Until it begins to rise, is at its height, and begins to fall.
    decay_s, release_s
        What a fall from the full height to nothing takes, while the key is held and after.
    sustain
        How far it falls while the key is held, as the format has it: tenths of a dB, or of a percent.
    hold_by_key, decay_by_key
        Timecents that hold and decay last longer for each key below middle C.
    """

    delay_s: float
    attack_s: float
    hold_s: float
    decay_s: float
    sustain: int
    release_s: float
    hold_by_key: int
    decay_by_key: int

    def for_key(self, key: int) -> Course:
        """The course with the times that it has for a key."""
        below = 60 - key
        return replace(
            self,
            hold_s=min(self.hold_s * 2 ** (self.hold_by_key * below / 1200), 20.0),
            decay_s=min(self.decay_s * 2 ** (self.decay_by_key * below / 1200), 100.0),
        )


@dataclass(frozen=True, slots=True)
class Zone:
    """A sample, and how an instrument plays it.

    Attributes
    ----------
    sample
        Number of the sample.
    start, end, loop_start, loop_end
        In samples from the sample's own start; the loop is ``loop_start`` up to, not including, ``loop_end``.
    is_looped
        Whether it sounds for as long as its key is held; else it ends by itself.
    rate
        Samples a second at which it sounds as it was recorded, which is MIDI pitch `root`.
    root
        With tuning: 60.1 is ten cents above middle C.
    cents_per_key
        100; 0 where all keys sound alike.
    pan
        -1 (left) to 1 (right).
    gain
        Factor of the amplitude.
    volume
        Its loudness; its full fall is 100 dB.
    brightness, brightness_cents
        What is added to the filter's cutoff, and how much at most; its full fall is all of that.
    cutoff_hz, resonance_db
        Of its low-pass filter.
    chokes
        Notes of one number other than 0 cut each other off, as pedal and stick do on a hi-hat.
    """

    sample: int
    start: int
    end: int
    loop_start: int
    loop_end: int
    is_looped: bool
    rate: int
    root: float
    cents_per_key: int
    pan: float
    gain: float
    volume: Course
    brightness: Course
    brightness_cents: int
    cutoff_hz: float
    resonance_db: float
    chokes: int


class Range(NamedTuple):
    """From low to high, both included."""

    low: int
    high: int

    def __and__(self, other: Range) -> Range:
        return Range(max(self.low, other.low), min(self.high, other.high))

    def has(self, value: int) -> bool:
        """Whether a value is in it."""
        return self.low <= value <= self.high


class Placed(NamedTuple):
    """A zone, and for which keys and velocities it is."""

    keys: Range
    velocities: Range
    zone: Zone


class SoundFont:
    """A soundfont's instruments. Samples are read when they are asked for.

    Parameters
    ----------
    path
        An .sf2 or .sf3 file.

    Raises
    ------
    InvalidRequest
        If it is none.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                found = dict(chunks(file))
                tables = {name: table(file, found[name], kind) for name, kind in TABLES.items()}
                self._data = found[b"smpl"]
        except (OSError, ValueError, KeyError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no soundfont, or damaged"
            raise InvalidRequest(
                f"{shown_name(path)} cannot be played: {why}; give --soundfont an .sf2 or .sf3 file, or bundled"
            ) from error
        self._path = path
        self._presets, self._instruments = tables[b"phdr"][:-1], tables[b"inst"]
        self._preset_zones = _Zones(tables[b"phdr"]["bag"], tables[b"pbag"], tables[b"pgen"], _Gen.INSTRUMENT)
        self._instrument_zones = _Zones(tables[b"inst"]["bag"], tables[b"ibag"], tables[b"igen"], _Gen.SAMPLE)
        self._headers = tables[b"shdr"]

    def instrument(self, program: int | None) -> tuple[Placed, ...]:
        """The zones of a General MIDI program, None for percussion; of the nearest that there is where it has none.

        Returns
        -------
        tuple[Placed, ...]
            Empty where the soundfont has nothing of the kind.
        """
        bank, number = (PERCUSSION_BANK, 0) if program is None else (0, program)
        banks, programs = self._presets["bank"], self._presets["program"]
        same_kind = np.flatnonzero((banks == PERCUSSION_BANK) == (program is None))
        if not len(same_kind):
            return ()
        distance = np.abs(banks[same_kind].astype(int) - bank) * 128 + np.abs(programs[same_kind].astype(int) - number)
        return tuple(self._zones(int(same_kind[np.argmin(distance)])))

    def samples(self, number: int) -> NDArray[np.float32]:
        """A sample's samples, in [-1, 1]; what its header has of it outside of the file is left out."""
        header = self._headers[number]
        start, end, kind = int(header["start"]), int(header["end"]), int(header["type"])
        if kind & _IS_VORBIS:
            with self._path.open("rb") as file:
                return _decoded(part(file, self._data, start, end))
        with self._path.open("rb") as file:
            data = part(file, self._data, start * 2, end * 2)
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768.0

    def _zones(self, preset: int) -> Iterator[Placed]:
        for outer in self._preset_zones.of(preset):
            for inner in self._instrument_zones.of(outer[_Gen.INSTRUMENT]):
                keys, velocities = _range(inner, _Gen.KEYS), _range(inner, _Gen.VELOCITIES)
                zone = self._zone(_sum(inner, outer))
                if zone is not None:
                    yield Placed(keys & _range(outer, _Gen.KEYS), velocities & _range(outer, _Gen.VELOCITIES), zone)

    def _zone(self, values: _Values) -> Zone | None:
        """The zone that generators describe; None for a sample that isn't in the file."""
        number = values[_Gen.SAMPLE]
        if not 0 <= number < len(self._headers) - 1 or int(self._headers[number]["type"]) & _IS_ROM:
            return None
        header = self._headers[number]
        origin = 0 if int(header["type"]) & _IS_VORBIS else int(header["start"])  # SF3's loops count from the sample
        start = values[_Gen.START] + 32768 * values[_Gen.START_COARSE]
        loop_start = int(header["loop_start"]) - origin + values[_Gen.LOOP_START]
        loop_end = int(header["loop_end"]) - origin + values[_Gen.LOOP_END]
        root = values[_Gen.ROOT] if 0 <= values[_Gen.ROOT] <= 127 else int(header["root"])
        if root > 127:
            root = 60  # what the specification asks players to make of a root without a pitch
        tuning = values[_Gen.SEMITONES] * 100 + values[_Gen.CENTS] + int(header["correction"])
        return Zone(
            sample=number,
            start=max(0, start),
            end=values[_Gen.END] + 32768 * values[_Gen.END_COARSE],
            loop_start=loop_start + 32768 * values[_Gen.LOOP_START_COARSE],
            loop_end=loop_end + 32768 * values[_Gen.LOOP_END_COARSE],
            is_looped=values[_Gen.LOOPING] in (1, 3),
            rate=min(max(int(header["rate"]), 400), 192_000),
            root=root - tuning / 100,
            cents_per_key=values[_Gen.SCALE],
            pan=min(max(values[_Gen.PAN] / 500, -1.0), 1.0),
            gain=10 ** (-max(0, values[_Gen.ATTENUATION]) * _DB_PER_ATTENUATION / 20),
            volume=_course(values, _Gen.VOLUME_TIMES),
            brightness=_course(values, _Gen.BRIGHTNESS_TIMES),
            brightness_cents=min(max(values[_Gen.BRIGHTNESS], -12000), 12000),
            cutoff_hz=8.176 * 2 ** (min(max(values[_Gen.CUTOFF], 1500), 13500) / 1200),
            resonance_db=min(max(values[_Gen.RESONANCE] / 10, 0.0), 96.0),
            chokes=values[_Gen.CHOKES],
        )


class _Values(dict[int, int]):
    """Generators by number, each with its default."""

    def __missing__(self, number: int) -> int:
        return _DEFAULTS.get(number, 0)


@dataclass(frozen=True, slots=True)
class _Zones:
    """The zones of presets, or of instruments."""

    first_bags: NDArray[Any]
    bags: NDArray[Any]
    generators: NDArray[Any]
    last_generator: int

    def of(self, owner: int) -> list[_Values]:
        """One owner's, each with what all of them share."""
        if not 0 <= owner < len(self.first_bags) - 1:
            return []
        shared = _Values()
        zones = []
        for bag in range(int(self.first_bags[owner]), min(int(self.first_bags[owner + 1]), len(self.bags) - 1)):
            begin, end = int(self.bags["generator"][bag]), int(self.bags["generator"][bag + 1])
            values = {int(number): int(amount) for number, amount in self.generators[begin:end]}
            if self.last_generator in values:
                zones.append(_Values({**shared, **values}))
            elif not zones:
                shared = _Values(values)
        return zones


def _sum(inner: _Values, outer: _Values) -> _Values:
    """An instrument's generators with what a preset adds to them."""
    added = {number: inner[number] + amount for number, amount in outer.items() if number in _ADDED_BY_PRESETS}
    return _Values({**inner, **added})


def _range(values: _Values, number: int) -> Range:
    if number not in values:
        return Range(0, 127)
    return Range(values[number] & 0xFF, values[number] >> 8 & 0xFF)


def _course(values: _Values, first: int) -> Course:
    """What eight generators in a row say: four times, the level, one more time, and two that depend on the key."""
    delay, attack, hold, decay, sustain, release, hold_by_key, decay_by_key = (values[first + n] for n in range(8))
    return Course(
        delay_s=_seconds(delay, 20.0),
        attack_s=_seconds(attack, 100.0),
        hold_s=_seconds(hold, 20.0),
        decay_s=_seconds(decay, 100.0),
        sustain=min(max(sustain, 0), 1440),
        release_s=_seconds(release, 100.0),
        hold_by_key=hold_by_key,
        decay_by_key=decay_by_key,
    )


def _seconds(timecents: int, most: float) -> float:
    return min(2.0 ** (max(timecents, -12000) / 1200), most) if timecents > -12000 else 0.0


def _decoded(data: bytes) -> NDArray[np.float32]:
    """Vorbis data as samples; silence for what isn't."""
    try:
        samples: NDArray[np.float32] = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0][:, 0]
    except soundfile.SoundFileError:
        return np.zeros(0, np.float32)
    return samples
