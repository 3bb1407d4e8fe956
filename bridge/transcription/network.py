"""basic-pitch's network on onnxruntime: one window of audio in, posteriors out.

basic-pitch's own runner imports every back-end that it finds (TensorFlow alone takes seconds and a gigabyte), prints,
and holds the whole recording. The network itself is a 230 kB ONNX file in its wheel, which is all that is used here.
"""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import numpy as np

from bridge.errors import BridgeError, EngineFailed, EngineUnavailable
from bridge.model import EngineId
from bridge.quietly import onnx_runtime
from bridge.transcription.frames import EDGE_FRAMES, WINDOW_SAMPLES, Matrix

_ADVICE = "install Stembridge again, or run: pip install --no-deps basic-pitch==0.4.0"
_INPUT = "serving_default_input_2:0"
_NOTE, _ONSET, _CONTOUR = "StatefulPartitionedCall:1", "StatefulPartitionedCall:2", "StatefulPartitionedCall:0"
_ERRORS_ONLY = 3  # onnxruntime's severity: 0 verbose, 1 info, 2 warning, 3 error


class _Session(Protocol):
    def run(self, output_names: list[str], inputs: dict[str, Matrix]) -> list[Matrix]: ...


def model_path() -> Path:
    """Where the network lies, found without importing basic-pitch.

    Raises
    ------
    EngineUnavailable
        basic-pitch is not installed, or its model is missing.
    """
    package = importlib.util.find_spec("basic_pitch")
    if package is None or not package.submodule_search_locations:
        raise EngineUnavailable(f"basic-pitch is not installed; {_ADVICE}")
    path = Path(package.submodule_search_locations[0]) / "saved_models" / "icassp_2022" / "nmp.onnx"
    if not path.is_file():
        raise EngineUnavailable(f"basic-pitch's model nmp.onnx is missing; {_ADVICE}")
    return path


def identity(decoder: str) -> EngineId:
    """The network's name, its version with that of the decoder behind it, and its hash."""
    path = model_path()
    try:
        release = version("basic-pitch")
    except PackageNotFoundError:
        release = "unknown"
    return EngineId("basic-pitch", f"{release}+{decoder}", hashlib.sha256(path.read_bytes()).hexdigest())


class Network:
    """The network, loaded; `posteriors` may be called from several threads at once.

    Raises
    ------
    EngineUnavailable
        The model or onnxruntime is missing.
    EngineFailed
        onnxruntime cannot load the model.
    """

    def __init__(self) -> None:
        path = model_path()
        try:
            onnxruntime = onnx_runtime()
        except ImportError as error:
            raise EngineUnavailable("onnxruntime is not installed; run: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        # One thread a window: the network is too small to share, two windows side by side are what uses two cores.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session: _Session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except BridgeError:  # a cancellation
            raise
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineFailed(f"basic-pitch's model could not be loaded ({error}); {_ADVICE}") from error

    def posteriors(self, window: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Note, onset and contour posteriors of the middle 142 frames of a window of 43,844 samples at 22,050 Hz.

        Returns
        -------
        tuple
            Arrays of shape (142, 88), (142, 88) and (142, 264), 0 to 1.
        """
        batch = np.ascontiguousarray(window, dtype=np.float32).reshape(1, WINDOW_SAMPLES, 1)
        try:
            outputs = self._session.run([_NOTE, _ONSET, _CONTOUR], {_INPUT: batch})
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineFailed(f"basic-pitch's network failed ({error})") from error
        note, onset, contour = (output[0, EDGE_FRAMES:-EDGE_FRAMES] for output in outputs)
        return note, onset, contour
