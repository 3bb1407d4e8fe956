"""Importing ONNX Runtime without what it brings along.

ONNX Runtime's official packages report to Microsoft what runs, from the moment they are imported. A variable of the
environment that is there before then keeps all of it from happening: no connection, no file, no identifier. Releases
for Windows before 1.29 heed no variable; there events go to the system's own tracing, which the user's choice on
diagnostic data governs, and they are switched off after the import.
"""

from __future__ import annotations

import os
from types import ModuleType

#: The way out that ONNX Runtime's Privacy.md names, which lies beside the package.
_NO_TELEMETRY = ("ORT_DISABLE_TELEMETRY", "1")


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
