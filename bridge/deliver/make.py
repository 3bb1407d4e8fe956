"""Makes the deliveries of a result, one kind after the other; one that fails doesn't spoil the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from msgspec import structs

from bridge.deliver.kinds import writer_of
from bridge.deliver.song import Song
from bridge.errors import BridgeError, Cancelled
from bridge.model import DeliverOptions
from bridge.names import DELIVERIES
from bridge.progress import Progress
from bridge.write.files import ResultFolder
from bridge.write.manifest import File, Manifest

_LOG = logging.getLogger(__name__)
#: How a warning about a kind begins.
_FAILED = "{} could not be delivered: "


@dataclass(frozen=True, slots=True)
class Failure:
    """A kind that could not be made, and why."""

    kind: str
    error: Exception

    @property
    def warning(self) -> str:
        """A sentence for the manifest and for people."""
        reason = (
            str(self.error) if isinstance(self.error, BridgeError) else f"{type(self.error).__name__}: {self.error}"
        )
        return _FAILED.format(self.kind) + " ".join(reason.split())


@dataclass(frozen=True, slots=True)
class Made:
    """What came of the kinds that were asked for.

    Attributes
    ----------
    files
        Those that were written, each with its kind.
    kinds
        Those that were made.
    timings_s
        How long each took, in seconds, under ``deliver`` and its name.
    failures
        Those that could not be made; nothing is left of them.
    """

    files: tuple[File, ...]
    kinds: tuple[str, ...]
    timings_s: Mapping[str, float]
    failures: tuple[Failure, ...]


def make(song: Song, folder: ResultFolder, options: DeliverOptions, progress: Progress) -> Made:
    """Make the kinds of deliveries that `options` ask for.

    Raises
    ------
    Cancelled
        When asked to stop.
    """
    files: list[File] = []
    timings_s: dict[str, float] = {}
    failures: list[Failure] = []
    for kind in options.kinds:
        before = folder.listing()
        began = time.monotonic()
        at_work = progress.stage(f"deliver {kind}")
        try:
            failed = {failure.kind for failure in failures}
            made_or_to_come = tuple(other for other in options.kinds if other not in failed)
            writer_of(kind)(song, folder, replace(options, kinds=made_or_to_come), at_work)
            files += _files_of(kind, before, folder)
        except Cancelled:
            raise
        except Exception as error:  # stems and MIDI, which took minutes, are not lost for the sake of one more file
            at_work.check()  # whatever a library made of the interruption: it was one
            _LOG.warning("%s could not be delivered", kind, exc_info=error)
            folder.remove(folder.listing().keys() - before.keys())
            failures.append(Failure(kind, error))
            continue
        timings_s[f"deliver {kind}"] = round(time.monotonic() - began, 3)
        at_work.at(1.0)
    failed = {failure.kind for failure in failures}
    kinds = tuple(kind for kind in options.kinds if kind not in failed)
    return Made(tuple(files), kinds, timings_s, tuple(failures))


def with_deliveries(
    manifest: Manifest, made: Made, others: Iterable[File], options: DeliverOptions, *, total_s: float | None = None
) -> Manifest:
    """The manifest of a result with its deliveries.

    Parameters
    ----------
    manifest
        Without them, or with earlier ones.
    made
        What came of them.
    others
        The files that the result has besides those.
    options
        How they were made.
    total_s
        How long the whole conversion took, in seconds; None where this was none.
    """
    total = {} if total_s is None else {"total": round(total_s, 3)}
    files = tuple(sorted((*others, *made.files), key=lambda file: file.path))
    return structs.replace(
        manifest,
        files=files,
        deliver=replace(options, kinds=present_kinds(files)),
        timings_s={**manifest.timings_s, **made.timings_s, **total},
        warnings=_warnings(manifest.warnings, made),
    )


def present_kinds(files: Iterable[File]) -> tuple[str, ...]:
    """The kinds of deliveries that there are files of, in the order in which they are made."""
    there = {file.kind for file in files}
    return tuple(kind for kind in DELIVERIES if kind in there)


def _warnings(earlier: Iterable[str], made: Made) -> tuple[str, ...]:
    """Earlier warnings but for those about kinds that were made now or failed anew, and those about the latter."""
    kinds = (*made.kinds, *(failure.kind for failure in made.failures))
    resolved = tuple(_FAILED.format(kind) for kind in kinds)
    kept = (warning for warning in earlier if not warning.startswith(resolved))
    return (*kept, *(failure.warning for failure in made.failures))


def _files_of(kind: str, before: Mapping[str, int], folder: ResultFolder) -> list[File]:
    """What is new in a folder, as entries of the manifest."""
    new = [path for path in folder.listing() if path not in before]
    if odd := [path for path in new if "\\" in path]:
        raise ValueError(f"a path in a manifest has forward slashes only, not {odd[0]}")
    return [File.of(folder.content, path, kind) for path in new]
