"""Float WAV files written block by block, which become RF64 (EBU Tech 3306) when they outgrow 4 GB.

libsndfile writes both, but must be told which before the length is known, stamps the time of day into float files, and
reports a full disk through a chain that loses the reason. The format is four small chunks, so they are written here:
a ``JUNK`` chunk keeps the place in which RF64's 64-bit sizes go if they are needed.
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType

import numpy as np

from bridge.disk import unwritable
from bridge.model import Samples

#: The largest size that a RIFF chunk can state; RF64 writes this number where the true one is in ``ds64``.
RIFF_LIMIT = 0xFFFFFFFF

_IEEE_FLOAT = 3
_SAMPLE_BYTES = 4


class FloatWavWriter:
    """A 32-bit float WAV file in the making; a context manager, after which the file is finished.

    Parameters
    ----------
    path
        Where to write; what is there is replaced.
    sample_rate
        Hz.
    channels
        Channels of each block.
    riff_limit
        Bytes above which the file becomes RF64.

    Raises
    ------
    OutputUnwritable
        From opening, writing or finishing the file: no space, no permission.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int, *, riff_limit: int = RIFF_LIMIT) -> None:
        self.path = path
        self.length = 0
        self._rate, self._channels, self._limit = sample_rate, channels, riff_limit
        try:
            self._file = path.open("wb")
            self._file.write(self._header())
        except OSError as error:
            raise unwritable(self.path, error) from error

    def write(self, block: Samples) -> None:
        """Append float32 samples of shape (samples, channels)."""
        try:
            self._file.write(np.ascontiguousarray(block, dtype="<f4").data)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.length += len(block)

    def __enter__(self) -> FloatWavWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._file.write(self._header())
        except OSError as failure:
            raise unwritable(self.path, failure) from failure
        finally:
            self._close(failed=kind is not None)

    def _close(self, failed: bool) -> None:
        try:
            self._file.close()
        except OSError as error:
            if not failed:
                raise unwritable(self.path, error) from error

    def _header(self) -> bytes:
        frame = self._channels * _SAMPLE_BYTES
        data_bytes = self.length * frame
        form = struct.pack(
            "<4sIHHIIHHH", b"fmt ", 18, _IEEE_FLOAT, self._channels, self._rate, self._rate * frame, frame, 32, 0
        )
        riff_bytes = 4 + 36 + len(form) + 12 + 8 + data_bytes
        if riff_bytes <= self._limit:
            sizes = (b"RIFF", riff_bytes, b"WAVE", b"JUNK", 28, bytes(28))
            stated, stated_data = self.length, data_bytes
        else:
            wide = struct.pack("<QQQI", riff_bytes, data_bytes, self.length, 0)
            sizes = (b"RF64", RIFF_LIMIT, b"WAVE", b"ds64", 28, wide)
            stated, stated_data = min(self.length, RIFF_LIMIT), RIFF_LIMIT
        return (
            struct.pack("<4sI4s4sI28s", *sizes)
            + form
            + struct.pack("<4sII4sI", b"fact", 4, stated, b"data", stated_data)
        )
