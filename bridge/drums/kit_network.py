"""The kit engine's network on onnxruntime: features of any length in, strokes and shares by frame out.

It comes as two files, so that who asks for strokes does not pay for shares: `kit.onnx` hears strokes, `kit_masks.onnx`
says how much of each band is whose. `kit.json` has their facts: version, hashes, classes, reach, thresholds. The
hashes are checked: a damaged file, or one network with another's thresholds, is not run. ``tools/train`` makes all
three.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bridge.drums.kit_decode import CLASSES, SURROUNDINGS
from bridge.drums.kit_features import Array
from bridge.errors import BridgeError, EngineFailed, EngineUnavailable
from bridge.model import COMPONENTS, EngineId
from bridge.quietly import onnx_runtime

#: Where the file lies in an installation.
SHIPPED = "kit.onnx"
#: Frames whose strokes (30 s), or shares (10 s), are taken at once: about a tenth of a second's work and 100 MB each.
CORE_FRAMES, MASK_CORE_FRAMES = 3000, 1000
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
    sha256, masks_sha256
        Of the two files.
    digest
        Hash of the facts themselves, in short: another threshold is another engine.
    least
        Probability from which something is a stroke, for each of `SURROUNDINGS`.
    reach
        Frames to each side that an output depends on.
    """

    version: str
    sha256: str
    masks_sha256: str
    digest: str
    least: dict[str, float]
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
    """A network's files, loaded when first needed.

    Parameters
    ----------
    path
        The file that hears strokes, or None for the one that came with Stembridge; the others lie beside it.

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
        """Name, version (with the facts' digest) and hash of the network; asking for it loads no library."""
        return EngineId("kit", f"{self.facts.version}+{self.facts.digest}", self.facts.sha256)

    @property
    def _masks_path(self) -> Path:
        return masks_path(self._path)

    @cached_property
    def facts(self) -> Facts:
        """What is said of the network in the file beside it.

        Raises
        ------
        EngineUnavailable
            That is missing or makes no sense, or a network is not the one that it speaks of.
        """
        try:
            text = self._path.with_suffix(".json").read_bytes()
            facts = _facts(json.loads(text), hashlib.sha256(text).hexdigest()[:8])
            hashes = tuple(_sha256(path) for path in (self._path, self._masks_path))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineUnavailable(f"what belongs to {self._path.name} is missing or damaged; {_ADVICE}") from error
        if facts is None or hashes != (facts.sha256, facts.masks_sha256):
            raise EngineUnavailable(f"{self._path.name} is damaged, or of another version; {_ADVICE}")
        return facts

    @cached_property
    def _strokes(self) -> _Session:
        _ = self.facts  # nothing that is damaged is run
        return _session(self._path)

    @cached_property
    def _masks(self) -> _Session:
        _ = self.facts
        return _session(self._masks_path)

    def load(self) -> None:
        """Load what hears strokes, if it isn't yet."""
        _ = self._strokes

    def strokes(self, features: Array) -> tuple[Array, Array]:
        """Onset probabilities and velocities 0 to 1, (frames, classes) each, of features (frames, bands)."""
        onsets, velocities = _run(self._strokes, features, "onsets", "velocities")
        return onsets, velocities

    def hear(self, features: Iterable[Array]) -> Iterator[Heard]:
        """Strokes in features that come in blocks (frames, bands): the same as of all of them at once."""
        for window in self._windows(features, CORE_FRAMES):
            onsets, velocities = self.strokes(window.features)
            rows = slice(max(0, window.start - EDGE_FRAMES - window.begin), window.stop + EDGE_FRAMES - window.begin)
            yield Heard(window.begin + rows.start, window.start, window.stop, onsets[rows], velocities[rows])

    def shares(self, features: Iterable[Array]) -> Iterator[Array]:
        """Each component's share of each band, (frames, components, bands) from 0 to 1, one stretch after the other.

        What a frame lacks to 1 belongs to no component.
        """
        for window in self._windows(features, MASK_CORE_FRAMES):
            (shares,) = _run(self._masks, window.features, "shares")
            yield shares[window.start - window.begin : window.stop - window.begin]

    def _windows(self, features: Iterable[Array], core: int) -> Iterator[_Window]:
        """Windows whose frames `start` to `stop`, `core` at most, cover all; memory depends on the reach alone."""
        reach = self.facts.reach + EDGE_FRAMES
        held, begin, start = np.zeros((0, 0), dtype=np.float32), 0, 0
        for block in features:
            held = np.concatenate([held, block]) if len(held) else block
            while begin + len(held) >= start + core + reach:
                yield _Window(held[: start + core + reach - begin], begin, start, start + core)
                start += core
                keep = max(begin, start - reach)
                held, begin = held[keep - begin :], keep
        if begin + len(held) > start:
            yield _Window(held, begin, start, begin + len(held))


def masks_path(path: Path) -> Path:
    """Where the masks of the network in `path` lie."""
    return path.with_name(f"{path.stem}_masks{path.suffix}")


def _facts(said: Any, digest: str) -> Facts | None:
    """What a file of facts says; None where it speaks of another kind of network."""
    least = {name: float(said["least"][name]) for name in SURROUNDINGS}
    fits = tuple(said["classes"]) == CLASSES and tuple(said["components"]) == COMPONENTS
    if not fits or not all(0.0 < one < 1.0 for one in least.values()):
        return None
    return Facts(
        str(said["version"]), str(said["sha256"]), str(said["masks_sha256"]), digest, least, int(said["reach"])
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _session(path: Path) -> _Session:
    try:
        onnxruntime = onnx_runtime()
    except ImportError as error:
        raise EngineUnavailable("onnxruntime is not installed; run: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # windows differ in length, and the arena would keep room for each
    options.log_severity_level = _ERRORS_ONLY
    try:
        session: _Session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except BridgeError:  # a cancellation
        raise
    except Exception as error:  # onnxruntime's errors share no base class
        raise EngineFailed(f"{path.name} could not be loaded ({error}); {_ADVICE}") from error
    return session


def _run(session: _Session, features: Array, *names: str) -> list[Array]:
    """Outputs by frame of features (frames, bands)."""
    try:
        outputs = session.run(list(names), {"features": np.ascontiguousarray(features)[None]})
    except Exception as error:  # onnxruntime's errors share no base class
        raise EngineFailed(f"the kit engine's network failed ({error})") from error
    return [output[0] for output in outputs]
