"""The process in which Demucs runs: started by `bridge.separation.demucs`, never by hand.

It reads one line of JSON (a `Job`) from its standard input, writes frames (`bridge.separation.demucs_frames`) to its
standard output, and ends when it has done, when it has failed, or at once when its standard input is closed, which
happens too when its parent dies.

A process of its own, because Demucs can't be interrupted, and because glibc is told here never to give memory back (see
`_keep_memory`), so that only the end of the process does.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from bridge.audio.file import AudioFile
from bridge.audio.resample import resample_blocks, resampled, resampled_length
from bridge.separation.demucs_frames import BLOCK, DONE, FAILED, PROGRESS, FailureCode, pack_fraction, write_frame

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Job:
    """What to separate, and with what.

    Attributes
    ----------
    mix
        The audio.
    files
        The models' files, each with its SHA-256.
    rows
        How much each model counts for each source, or None: all the same.
    """

    mix: AudioFile
    files: tuple[tuple[Path, str], ...]
    rows: tuple[tuple[float, ...], ...] | None

    def to_line(self) -> bytes:
        """The job as a line of ASCII JSON: paths that are not Unicode pass as escaped surrogates."""
        return json.dumps(asdict(self), default=str).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        """The job that `to_line` wrote."""
        job = json.loads(line)
        mix = AudioFile(**{**job["mix"], "path": Path(job["mix"]["path"])})
        return cls(mix, tuple((Path(file), sha256) for file, sha256 in job["files"]), job["rows"])


def main() -> None:
    """Do the one job that stands on the standard input, then end the process without further ado."""
    out = _take_over_stdout()
    code = 1
    try:
        job = Job.from_line(sys.stdin.buffer.readline())
        threading.Thread(target=_end_with_parent, daemon=True).start()
        _keep_memory()
        _run(job, out)
        code = 0
    except BrokenPipeError:
        pass  # the parent has gone
    except Exception as error:  # the border: whatever broke, the parent hears it in one line
        _report(error, out)
    # Nothing is left to tidy up, and taking torch apart takes a moment.
    os._exit(code)


def _run(job: Job, out: BinaryIO) -> None:
    """Separate and send everything."""
    _import_torch()
    from bridge.separation.demucs_model import load_bag, measure_level, separate

    def done(fraction: float) -> None:
        write_frame(out, PROGRESS, pack_fraction(fraction))

    mix = job.mix
    bag = load_bag(job.files, job.rows, _device())
    length = resampled_length(mix.length, mix.sample_rate, bag.sample_rate)
    level = measure_level(resampled(mix, bag.sample_rate, bag.channels))
    sources = separate(bag, resampled(mix, bag.sample_rate, bag.channels), length, level, done)
    width = len(bag.sources) * bag.channels
    sources = resample_blocks(sources, bag.sample_rate, mix.sample_rate, width, mix.length)
    for block in sources:
        parts = block.reshape(len(block), len(bag.sources), bag.channels)
        if mix.channels == 1:
            parts = parts.mean(axis=2, keepdims=True)
        write_frame(out, BLOCK, np.ascontiguousarray(parts.transpose(1, 0, 2)).tobytes())
    write_frame(out, DONE)


def _take_over_stdout() -> BinaryIO:
    """The pipe to the parent; what anything prints from now on goes to standard error instead of among the frames."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb")


def _end_with_parent() -> None:
    """End this process at once when the parent closes the pipe, or dies, whatever else goes on here."""
    while sys.stdin.buffer.read(1):
        pass
    os._exit(1)


def _keep_memory() -> None:
    """Tell glibc to keep freed memory, before torch is imported.

    By default each of Demucs' large arrays is mapped afresh, and clearing its pages costs a fifth of the whole time
    (measured: 2.6 million page faults for 30 s of audio, 0.18 million with this; the peak stays the same). Other C
    libraries have no such call.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # from malloc.h
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 64 << 20)


def _import_torch() -> None:
    """Import torch and set it up for this machine."""
    import torch

    # nn.MultiheadAttention's "fast path" writes out the whole attention matrix (2688 x 2688, 8 heads) and took a third
    # of all time; without it torch's scaled_dot_product_attention is used. The results agree to rounding.
    torch.backends.mha.set_fastpath_enabled(False)
    threads = _physical_cores()
    if threads and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)


def _physical_cores() -> int:
    """Physical cores that this process may use, or 0 where the system does not say; two threads on one gain nothing."""
    cores = set()
    try:
        for cpu in os.sched_getaffinity(0):
            cores.add(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text("ascii"))
    except (OSError, AttributeError):  # not Linux, or no /sys here
        return 0
    return len(cores)


def _device() -> torch.device:
    """The quickest device that torch can use here."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _report(error: Exception, out: BinaryIO) -> None:
    """Send one line on why it failed."""
    from soundfile import LibsndfileError

    code: FailureCode = "failed"
    if type(error).__name__ == "UnusableWeights":  # its module needs torch, which may be what is missing
        code = "weights"
    elif isinstance(error, LibsndfileError):
        code = "audio"
    text = f"{error}" if code != "failed" else f"{type(error).__name__}: {error}"
    message = " ".join(text.split())[:300]
    write_frame(out, FAILED, json.dumps({"code": code, "message": message}).encode())


if __name__ == "__main__":
    main()
