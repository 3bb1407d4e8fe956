"""Importing basic-pitch and its runtime without what they bring along.

ONNX Runtime's official packages report to Microsoft what runs, from the moment they are imported. A variable of the
environment that is there before then keeps all of it from happening: no connection, no file, no identifier. Releases
for Windows before 1.29 heed no variable; there events go to the system's own tracing, which the user's choice on
diagnostic data governs, and they are switched off after the import.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from types import ModuleType

#: What basic-pitch imports when it finds it. None is used, and TensorFlow alone costs seconds and a gigabyte.
_BACK_ENDS = ("tensorflow", "coremltools", "tflite_runtime")

#: The way out that ONNX Runtime's Privacy.md names, which lies beside the package.
_NO_TELEMETRY = ("ORT_DISABLE_TELEMETRY", "1")

_one_at_a_time = threading.Lock()


def refuse_telemetry() -> None:
    """Keep ONNX Runtime from reporting, in this process and its children; must come before it is first imported."""
    variable, value = _NO_TELEMETRY
    os.environ[variable] = value


def onnx_runtime() -> ModuleType:
    """`onnxruntime`, imported so that it reports nothing.

    Raises
    ------
    ImportError
        It isn't installed.
    """
    refuse_telemetry()
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for what heeds no variable
    module: ModuleType = onnxruntime
    return module


def note_creation() -> ModuleType:
    """`basic_pitch.note_creation`, imported without the network's other back-ends and without a word."""
    refuse_telemetry()  # it imports onnxruntime too
    with _one_at_a_time, _without_back_ends(), _without_advice():
        from basic_pitch import note_creation

        module: ModuleType = note_creation
        return module


@contextmanager
def _without_back_ends() -> Iterator[None]:
    """Let an import of a back-end fail as if it were not installed; one that is imported already stays."""
    hidden = [name for name in _BACK_ENDS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes `import` raise ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _without_advice() -> Iterator[None]:
    """Drop basic-pitch's advice to install back-ends, and nothing else that is logged meanwhile.

    The advice goes through the root logger, which would set up a handler of its own where there is none.
    """
    root, placeholder = logging.getLogger(), logging.NullHandler()
    root.addHandler(placeholder)
    root.addFilter(_is_not_advice)
    try:
        yield
    finally:
        root.removeFilter(_is_not_advice)
        root.removeHandler(placeholder)


def _is_not_advice(record: logging.LogRecord) -> bool:
    return PurePath(record.pathname).parts[-2:] != ("basic_pitch", "__init__.py")
