"""A WAV file cut into pieces that, one after the other, are the file: sample for sample, in its own format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import soundfile

from bridge.audio.file import BLOCK_SAMPLES, native
from bridge.audio.source import shown_name
from bridge.audio.stems import LARGEST_WAV_BYTES, forget_the_time
from bridge.errors import AudioUnreadable, OutputUnwritable
from bridge.progress import Progress

#: Numbers that hold the samples of a subtype exactly, and the bytes of one in a file; other subtypes aren't cut.
_NUMBERS = {"PCM_16": ("int16", 2), "PCM_24": ("int32", 3), "PCM_32": ("int32", 4), "FLOAT": ("float32", 4)}


def cut(source: Path, borders: Sequence[int], targets: Iterable[Path], progress: Progress) -> None:
    """Write the stretches between `borders` of a file to `targets`; it takes the memory of one block.

    Parameters
    ----------
    source
        A WAV or RF64 file of PCM or float samples.
    borders
        Where to cut, in samples from the start: ascending, inside the file.
    targets
        One more than there are borders; what is there is replaced. Their folders exist.
    progress
        Told how much is written; cancels.

    Raises
    ------
    AudioUnreadable
        The source is gone, or no such file.
    OutputUnwritable
        A piece could not be written.
    """
    try:
        with soundfile.SoundFile(native(source)) as file:
            edges = [0, *borders, file.frames]
            for (start, end), target in zip(pairwise(edges), targets, strict=True):
                _copy(file, end - start, target, progress.part(start / max(1, file.frames), end / max(1, file.frames)))
    except soundfile.LibsndfileError as error:
        raise AudioUnreadable(
            f"{shown_name(source)} cannot be read: {error.error_string}; convert the recording again"
        ) from error


def _copy(source: soundfile.SoundFile, length: int, target: Path, progress: Progress) -> None:
    """Write the next `length` samples of a file to another."""
    if source.subtype not in _NUMBERS:
        raise AudioUnreadable(f"stems are PCM or float, not {source.subtype}; convert the recording again")
    numbers, sample_bytes = _NUMBERS[source.subtype]
    is_large = length * source.channels * sample_bytes > LARGEST_WAV_BYTES
    try:
        with soundfile.SoundFile(
            native(target),
            "w",
            samplerate=source.samplerate,
            channels=source.channels,
            format="RF64" if is_large else "WAV",
            subtype=source.subtype,
        ) as piece:
            for start in range(0, length, BLOCK_SAMPLES):
                piece.write(source.read(min(BLOCK_SAMPLES, length - start), dtype=numbers, always_2d=True))
                progress.at(start / length)
        if source.subtype == "FLOAT":
            forget_the_time(target)
        written = soundfile.info(native(target)).frames
    except (OSError, soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
        raise _unwritable(target, str(error)) from error
    if written != length:
        raise _unwritable(target, "")


def _unwritable(target: Path, why: str) -> OutputUnwritable:
    return OutputUnwritable(f"could not write {shown_name(target)}: {why or 'the disk may be full'}; free some space")
