"""Writes the parts of a recording as files that, with a residual, give the recording back.

A part is first rounded to the grid on which it is stored; the residual is the source minus those *stored* values. All
of it happens in whole steps of that grid, held in float64, which is exact up to 2**53. So the stored parts and the
residual sum to a source of 24 bits or fewer bit for bit, and to any other within a step (-138 dB of full scale).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from bridge.audio.file import AudioFile, native
from bridge.disk import printable, unwritable
from bridge.errors import EngineFailed, OutputUnwritable
from bridge.model import Samples

SampleFormat = Literal["pcm24", "float32"]

#: Steps from silence to full scale: 24-bit PCM, and the mantissa of a float32, which holds every step exactly.
STEPS = 1 << 23
#: A WAV's sizes are 32-bit numbers; the margin is for its header.
LARGEST_WAV_BYTES = (1 << 32) - (1 << 16)
_BYTES = {"pcm24": 3, "float32": 4}
_SUBTYPE = {"pcm24": "PCM_24", "float32": "FLOAT"}
_INTEGER_SUBTYPES = ("PCM_16", "PCM_24", "PCM_S8", "PCM_U8")

#: Samples in steps of the grid, (samples, channels).
_Steps = NDArray[np.float64]
_Result = TypeVar("_Result")


def stem_format(source: AudioFile) -> SampleFormat:
    """What the stems of `source` are stored as: ``float32`` where it exceeds full scale, else ``pcm24``."""
    if soundfile.info(native(source.path)).subtype in _INTEGER_SUBTYPES:
        return "pcm24"
    return "float32" if _peak(source) > 1.0 else "pcm24"


def write_stems(
    source: AudioFile,
    blocks: Iterator[Mapping[str, Samples]],
    folder: Path,
    residual_name: str,
    *,
    subtract: Collection[str],
    sample_format: SampleFormat,
) -> dict[str, AudioFile]:
    """Write each part to ``<folder>/<part>.wav`` and what they leave of the source to ``<folder>/<residual_name>.wav``.

    Parameters
    ----------
    source
        What the parts are parts of.
    blocks
        The parts from start to end, as engines yield them (`bridge.engines.PartBlock`): the same names in every block,
        arrays of (samples, channels) float32 that tile the source without gap or overlap.
    folder
        Made where missing. Files in it that have the same names are replaced.
    residual_name
        Name of the file of what is left.
    subtract
        The parts whose sum is taken from the source. Others (a guitar that is also within the melody) are only written.
    sample_format
        What `stem_format` says of the source. ``pcm24`` clips parts at full scale and leaves the rest to the residual;
        ``float32`` does so at the power of two above the source's peak. A file above 4 GB becomes an RF64.

    Returns
    -------
    dict[str, AudioFile]
        The files by part, with the residual under its own name.

    Raises
    ------
    EngineFailed
        The blocks don't tile the source, or hold what is not a number.
    OutputUnwritable
        A file could not be made, or the disk is full. Files begun are left for the caller, who owns the folder.
    ValueError
        The source exceeds what `sample_format` holds, or the residual has a part's name.
    """
    grid = _Grid.of(source, sample_format)
    files: dict[str, _StemFile] = {}
    position = 0
    with contextlib.ExitStack() as open_files:
        for block in _checked(blocks, source, subtract, residual_name):
            if not files:
                _make_folder(folder)
                for name in (*block, residual_name):
                    files[name] = open_files.enter_context(_StemFile(folder, name, source, grid))
            start, position = position, position + len(next(iter(block.values())))
            stored = {name: grid.round(samples) for name, samples in block.items()}
            original = grid.place(source.read(start, position))
            residual = _take_out([stored[name] for name in subtract], original, grid.limit)
            for name, steps in stored.items():
                files[name].write(steps)
            files[residual_name].write(residual)
    return {name: file.finished() for name, file in files.items()}


@dataclass(frozen=True, slots=True)
class _Grid:
    """The values that stored samples can have: whole steps from ``limit[0]`` to ``limit[1]``."""

    sample_format: SampleFormat
    full_scale: float
    limit: tuple[int, int]

    @classmethod
    def of(cls, source: AudioFile, sample_format: SampleFormat) -> _Grid:
        if sample_format == "pcm24":
            return cls(sample_format, 1.0, (-STEPS, STEPS - 1))
        exponent = np.frexp(_peak(source))[1]
        return cls(sample_format, float(np.ldexp(1.0, exponent)), (-STEPS, STEPS))

    def place(self, samples: Samples) -> _Steps:
        """The source in steps; whole ones where it is stored as such."""
        if samples.size and not np.abs(samples).max() <= self.full_scale:
            raise ValueError(f"{self.sample_format} cannot hold a source whose peak exceeds {self.full_scale}")
        steps = samples.astype(np.float64)
        steps *= STEPS / self.full_scale
        if self.sample_format == "pcm24":
            np.rint(steps, out=steps)
        return np.clip(steps, *self.limit, out=steps)

    def round(self, samples: Samples) -> _Steps:
        """A part in whole steps, clipped to what can be stored."""
        steps = samples.astype(np.float64)
        steps *= STEPS / self.full_scale
        return np.clip(np.rint(steps, out=steps), *self.limit, out=steps)

    def stored(self, steps: _Steps) -> NDArray[np.int32] | Samples:
        """What libsndfile is given: the upper 24 of 32 bits, or float32."""
        if self.sample_format == "pcm24":
            return steps.astype(np.int32) << 8
        return (steps * (self.full_scale / STEPS)).astype(np.float32)


def _take_out(parts: list[_Steps], source: _Steps, limit: tuple[int, int]) -> _Steps:
    """The source minus the parts; moves parts towards silence, in place, where that would exceed the limits.

    There is always room for that. Say the residual, source - sum, lies above the upper limit by some excess. As the
    source does not, the excess is at most -sum, and the negative parts hold at least that much together; so too below.
    """
    residual = source.copy()
    for part in parts:
        residual -= part
    excess = residual - np.clip(residual, *limit)
    if not excess.any():
        return residual
    excess = np.copysign(np.ceil(np.abs(excess)), excess)  # parts stay on whole steps
    for part in parts:
        moved = np.clip(excess, -np.maximum(part, 0.0), -np.minimum(part, 0.0))
        part += moved
        excess -= moved
        residual -= moved
    return residual


class _StemFile:
    """One WAV being written. Every failure to write it is an `OutputUnwritable`."""

    def __init__(self, folder: Path, name: str, source: AudioFile, grid: _Grid) -> None:
        self._path = folder / f"{name}.wav"
        self._source = source
        self._grid = grid
        large = source.length * source.channels * _BYTES[grid.sample_format] > LARGEST_WAV_BYTES
        self._file = self._translated(lambda: self._open("RF64" if large else "WAV"))

    def _open(self, container: str) -> soundfile.SoundFile:
        return soundfile.SoundFile(
            native(self._path),
            "w",
            samplerate=self._source.sample_rate,
            channels=self._source.channels,
            format=container,
            subtype=_SUBTYPE[self._grid.sample_format],
        )

    def __enter__(self) -> _StemFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(
            *([] if error is None else [OutputUnwritable])
        ):  # what went wrong first is what matters
            self._translated(self._file.close)

    def write(self, steps: _Steps) -> None:
        """Append samples, given in steps."""
        self._translated(lambda: self._file.write(self._grid.stored(steps)))

    def finished(self) -> AudioFile:
        """The closed file, once it is known to be whole."""
        if self._grid.sample_format == "float32":
            self._translated(lambda: forget_the_time(self._path))
        audio = self._translated(lambda: AudioFile.open(self._path))
        if audio.length != self._source.length:
            raise OutputUnwritable(f"{printable(self._path)} came out short; is the disk full?")
        return audio

    def _translated(self, action: Callable[[], _Result]) -> _Result:
        try:
            return action()
        except (OSError, soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
            raise unwritable(self._path, error) from error


def _checked(
    blocks: Iterator[Mapping[str, Samples]], source: AudioFile, subtract: Collection[str], residual_name: str
) -> Iterator[Mapping[str, Samples]]:
    """The blocks, once each is known to continue those before; one empty block where the source is empty."""
    names: tuple[str, ...] | None = None
    position = 0
    for block in blocks:
        if names is None:
            names = tuple(block)
            _check_names(names, subtract, residual_name)
        if set(block) != set(names):
            raise _broken(f"parts changed from {', '.join(names)} to {', '.join(block)}")
        position += _checked_length(block, source.channels)
        if position > source.length:
            break
        yield block
    if position != source.length:
        raise _broken(f"parts do not have the {source.length} samples of their source")
    if names is None:
        _check_names(tuple(subtract), subtract, residual_name)
        yield {name: np.zeros((0, source.channels), dtype=np.float32) for name in subtract}


def _check_names(names: tuple[str, ...], subtract: Collection[str], residual_name: str) -> None:
    if residual_name in names:
        raise ValueError(f"the residual cannot be called {residual_name}, as a part is")
    missing = [name for name in subtract if name not in names]
    if missing or not names:
        raise _broken(f"parts lack {', '.join(missing) or 'everything'}")


def _checked_length(block: Mapping[str, Samples], channels: int) -> int:
    """Samples in a block; all of its parts must have one shape and hold numbers."""
    length = len(next(iter(block.values())))
    for name, samples in block.items():
        if samples.shape != (length, channels):
            raise _broken(f"{name} has shape {samples.shape}, not {(length, channels)}")
        if not np.isfinite(samples).all():
            raise _broken(f"{name} holds values that are not numbers")
    return length


def _broken(what: str) -> EngineFailed:
    return EngineFailed(f"the engine's {what}; try another engine, and please report this")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"could not make {folder}: {error.strerror}; choose another folder") from error


def _peak(source: AudioFile) -> float:
    """Largest magnitude in the file."""
    return max((float(np.abs(block).max()) for block in source.blocks()), default=0.0)


def forget_the_time(path: Path) -> None:
    """Blank the time of writing that libsndfile adds to a float WAV, so that equal audio gives equal bytes.

    The PEAK chunk is: name, size, version, time stamp, peaks, in numbers of four bytes. It comes before the samples.
    """
    with path.open("r+b") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name == b"PEAK":
                file.seek(4, 1)
                file.write(bytes(4))
            if name in (b"PEAK", b"data"):
                return
            file.seek(size + size % 2, 1)
