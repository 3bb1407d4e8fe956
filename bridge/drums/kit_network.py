"""The kit engine's network on onnxruntime: features of any length in, probabilities and velocities by frame out.

Beside the network `kit.onnx` lies `kit.json` with its facts: version, hash, classes, reach, rules of decision. The hash
is checked, so that a damaged file, or one network with another's rules, is not run. ``tools/train`` makes both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Protocol

import numpy as np

from bridge.drums.kit_decode import CLASSES, SURROUNDINGS, Rule
from bridge.drums.kit_features import Array
from bridge.errors import BridgeError, EngineFailed, EngineUnavailable
from bridge.model import COMPONENTS, EngineId
from bridge.quietly import onnx_runtime

#: Where the file lies in an installation.
SHIPPED = "kit.onnx"
#: Frames whose outputs are taken at once (30 s): a tenth of a second's work and 100 MB.
CORE_FRAMES = 3000
#: Frames beyond the core that are decoded too, so that a stroke on its edge is seen whole.
EDGE_FRAMES = 10

_ADVICE = "install Stembridge again, or use --drum-engine onset"
_ERRORS_ONLY = 3  # onnxruntime's severity: 0 verbose, 1 info, 2 warning, 3 error


class _Session(Protocol):
    def run(self, output_names: list[str], inputs: dict[str, Array]) -> list[Array]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What a network's file says of itself.

    Attributes
    ----------
    version
        Of the training run and step.
    sha256
        Of the network's file.
    rules
        What is a stroke, for each of `SURROUNDINGS`.
    reach
        Frames to each side that an output depends on.
    """

    version: str
    sha256: str
    rules: dict[str, Rule]
    reach: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Outputs of a stretch of frames.

    Attributes
    ----------
    first
        Frame of the first row.
    start, stop
        Frames that belong to this stretch and no other; the rows go up to `EDGE_FRAMES` beyond.
    onsets, velocities
        (frames, classes), 0 to 1.
    """

    first: int
    start: int
    stop: int
    onsets: Array
    velocities: Array


@dataclass(frozen=True, slots=True)
class _Window:
    """Features (frames, bands) with as much around frames `start` to `stop` as the network reaches."""

    features: Array
    begin: int
    start: int
    stop: int


class KitNetwork:
    """A network's file, loaded when first needed.

    Parameters
    ----------
    path
        The ONNX file, or None for the one that came with Stembridge.

    Raises
    ------
    EngineUnavailable
        There is no such file.
    """

    def __init__(self, path: Path | None = None) -> None:
        shipped = Path(str(resources.files("bridge.drums").joinpath(SHIPPED)))
        self._path = path or shipped
        if not self._path.is_file():
            raise EngineUnavailable(f"the kit engine's network {self._path.name} is not there; {_ADVICE}")

    @property
    def identity(self) -> EngineId:
        """Name, version and hash of the network; asking for it loads no library."""
        return EngineId("kit", self.facts.version, self.facts.sha256)

    @cached_property
    def facts(self) -> Facts:
        """What is said of the network in the file beside it.

        Raises
        ------
        EngineUnavailable
            That is missing or makes no sense, or the network is not the one that it speaks of.
        """
        try:
            said = json.loads(self._path.with_suffix(".json").read_text("utf-8"))
            rules = {
                name: Rule(tuple(said["rules"][name]["least"]), tuple(said["rules"][name]["weights"]))
                for name in SURROUNDINGS
            }
            facts = Facts(str(said["version"]), str(said["sha256"]), rules, int(said["reach"]))
            fits = tuple(said["classes"]) == CLASSES and tuple(said["components"]) == COMPONENTS
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineUnavailable(f"what belongs to {self._path.name} is missing or damaged; {_ADVICE}") from error
        if not fits or hashlib.sha256(self._path.read_bytes()).hexdigest() != facts.sha256:
            raise EngineUnavailable(f"{self._path.name} is damaged, or of another version; {_ADVICE}")
        return facts

    @cached_property
    def _session(self) -> _Session:
        _ = self.facts  # nothing that is damaged is run
        try:
            onnxruntime = onnx_runtime()
        except ImportError as error:
            raise EngineUnavailable("onnxruntime is not installed; run: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # windows differ in length, and the arena would keep room for each
        options.log_severity_level = _ERRORS_ONLY
        try:
            session: _Session = onnxruntime.InferenceSession(
                str(self._path), options, providers=["CPUExecutionProvider"]
            )
        except BridgeError:  # a cancellation
            raise
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineFailed(f"{self._path.name} could not be loaded ({error}); {_ADVICE}") from error
        return session

    def load(self) -> None:
        """Load the network, if it isn't yet."""
        _ = self._session

    def outputs(self, features: Array, *names: str) -> list[Array]:
        """Some of the network's outputs, a row a frame, of features (frames, bands).

        ``onsets`` and ``velocities`` are (frames, classes), ``shares`` (frames, components, bands); all 0 to 1.
        """
        try:
            outputs = self._session.run(list(names), {"features": np.ascontiguousarray(features)[None]})
        except BridgeError:  # the network can't be loaded, or a cancellation
            raise
        except Exception as error:  # onnxruntime's errors share no base class
            raise EngineFailed(f"the kit engine's network failed ({error})") from error
        return [output[0] for output in outputs]

    def hear(self, features: Iterable[Array]) -> Iterator[Heard]:
        """Strokes in features that come in blocks (frames, bands): the same as of all of them at once."""
        for window in self._windows(features):
            onsets, velocities = self.outputs(window.features, "onsets", "velocities")
            rows = slice(max(0, window.start - EDGE_FRAMES - window.begin), window.stop + EDGE_FRAMES - window.begin)
            yield Heard(window.begin + rows.start, window.start, window.stop, onsets[rows], velocities[rows])

    def shares(self, features: Iterable[Array]) -> Iterator[Array]:
        """Each component's share of each band, (frames, components, bands) from 0 to 1, one stretch after the other.

        What a frame lacks to 1 belongs to no component.
        """
        for window in self._windows(features):
            (shares,) = self.outputs(window.features, "shares")
            yield shares[window.start - window.begin : window.stop - window.begin]

    def _windows(self, features: Iterable[Array]) -> Iterator[_Window]:
        """Windows whose frames `start` to `stop` cover all; memory depends on the network's reach alone."""
        reach = self.facts.reach + EDGE_FRAMES
        held, begin, start = np.zeros((0, 0), dtype=np.float32), 0, 0
        for block in features:
            held = np.concatenate([held, block]) if len(held) else block
            while begin + len(held) >= start + CORE_FRAMES + reach:
                yield _Window(held[: start + CORE_FRAMES + reach - begin], begin, start, start + CORE_FRAMES)
                start += CORE_FRAMES
                keep = max(begin, start - reach)
                held, begin = held[keep - begin :], keep
        if begin + len(held) > start:
            yield _Window(held, begin, start, begin + len(held))
