"""The composition root: chooses and builds the engines of a conversion. Nothing below knows which ones there are."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from bridge.cache import DEFAULT_LIMIT_BYTES, Cache
from bridge.engines import DrumEngine, Hearing, Separator
from bridge.errors import InvalidRequest
from bridge.model import ConversionRequest
from bridge.names import DRUM_ENGINES, PARTS, SEPARATORS
from bridge.places import cache_dir
from bridge.steps import Engines

#: The setting `cache_gb` (`bridge.config`) in the environment, and the bytes of one of its units.
CACHE_VARIABLE = "STEMBRIDGE_CACHE_GB"
GIGABYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Choice:
    """The engines of a conversion, and sentences on what was chosen for the user and why."""

    engines: Engines
    reasons: tuple[str, ...]


def default_cache(limit_bytes: int | None = None) -> Cache:
    """The user's cache of finished steps.

    Parameters
    ----------
    limit_bytes
        How large it may grow; None for what the environment says.
    """
    return Cache(cache_dir() / "steps", cache_limit_bytes(os.environ) if limit_bytes is None else limit_bytes)


def cache_limit_bytes(environ: Mapping[str, str]) -> int:
    """How large the cache may grow by ``STEMBRIDGE_CACHE_GB``; the usual where that isn't set, or no such number.

    A worker of the daemon is told its settings in this way; `bridge.config` says what a number must be.
    """
    try:
        gigabytes = float(environ.get(CACHE_VARIABLE, ""))
    except ValueError:
        return DEFAULT_LIMIT_BYTES
    return round(gigabytes * GIGABYTE) if 0.0 <= gigabytes < math.inf else DEFAULT_LIMIT_BYTES


def engines_for(request: ConversionRequest) -> Choice:
    """Choose and build the engines that a request asks for.

    Raises
    ------
    InvalidRequest
        If it asks for what doesn't exist or go together.
    EngineUnavailable
        If it asks for a separator whose weights are not installed.
    """
    from bridge.tempo.tracker import OnsetBeatTracker
    from bridge.transcription.basic_pitch import BasicPitchTranscriber

    separator, reasons = _separator_for(request)
    return Choice(
        Engines(
            separator=separator,
            pitch=BasicPitchTranscriber(),
            drums=_drum_engine(request, separator),
            beats=OnsetBeatTracker(),
            hearings=_hearings(request, separator),
        ),
        reasons,
    )


def _separator_for(request: ConversionRequest) -> tuple[Separator | None, tuple[str, ...]]:
    """The separator, and why that one where the user left the choice open."""
    from bridge.separation.whole import WholeRecording

    recording, wanted = request.recording, request.separator
    if wanted not in SEPARATORS:
        raise InvalidRequest(f"there is no separator {wanted!r}; choose from {', '.join(SEPARATORS)}")
    if recording != "song" and wanted not in ("auto", "none"):
        raise InvalidRequest(f"--as {recording} means that nothing is separated; leave out --separator {wanted}")
    if recording in PARTS:
        return WholeRecording(recording), ()
    if recording == "mix" or wanted == "none":
        return None, ()
    return _named_separator(wanted) if wanted != "auto" else _best_separator()


def _named_separator(name: str) -> tuple[Separator, tuple[str, ...]]:
    from bridge.separation.builtin import BuiltinSeparator
    from bridge.separation.demucs import DemucsSeparator

    return (BuiltinSeparator() if name == "builtin" else DemucsSeparator(name)), ()


def _best_separator() -> tuple[Separator, tuple[str, ...]]:
    """The best one that this machine has."""
    from bridge.separation.weights import best_installed

    name = best_installed()
    if name is None:
        separator, _ = _named_separator("builtin")
        return separator, ("separated with builtin: no Demucs weights are installed (see stembridge models list)",)
    separator, _ = _named_separator(name)
    return separator, (f"separated with {name}: the best of the installed weights",)


def _hearings(request: ConversionRequest, separator: Separator | None) -> Mapping[str, Hearing]:
    """How each part is heard, given what there is to hear it in."""
    from bridge.transcription.profiles import HEARINGS, MIX_HEARING, SOLO_HEARINGS

    if request.recording == "mix":
        return {"melody": MIX_HEARING, "drums": Hearing("mix", "drums")}
    if separator is None:
        return {**HEARINGS["none"], "drums": Hearing("mix", "drums")}
    if request.recording in PARTS:
        return {**SOLO_HEARINGS, "drums": Hearing("stem", "drums")}
    separated_by = "builtin" if separator.identity.name == "builtin" else "neural"
    return {**HEARINGS[separated_by], "drums": _drums_hearing(request.drum_engine, separated_by)}


def _drums_hearing(engine: str, separated_by: str) -> Hearing:
    """Where the drums of a separated song are heard best.

    Notes
    -----
    On 40 rendered mixes of kits, drummers and bands held out of training the kit engine has F 0.680 of 5 classes and
    0.652 of 7 in the mix, 0.686 and 0.654 in what the built-in separator takes out of it (``python -m tools.train
    sources``): the same, and a mix has lost nothing. The onset engine knows nothing of other instruments.
    """
    if engine == "onset" or separated_by != "builtin":
        return Hearing("stem", "drums")
    return Hearing("mix", "drums", measured_f=(("stem", 0.69), ("mix", 0.68)))


def _drum_engine(request: ConversionRequest, separator: Separator | None) -> DrumEngine:
    name = request.drum_engine
    if name not in DRUM_ENGINES:
        raise InvalidRequest(f"there is no drum engine {name!r}; choose from {', '.join(DRUM_ENGINES)}")
    if name in ("auto", "kit"):
        from bridge.drums.kit_engine import KitDrumEngine

        poor = separator is None or separator.identity.name == "builtin"
        return KitDrumEngine(surrounding="mixed" if poor and request.recording != "drums" else "alone")
    from bridge.drums.onset_engine import OnsetDrumEngine

    return OnsetDrumEngine()
