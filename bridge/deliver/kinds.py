"""The kinds of deliveries: what each is, and which module makes it. A module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from bridge.deliver.song import Song
    from bridge.model import DeliverOptions
    from bridge.progress import Progress


class Outlet(Protocol):
    """Where a delivery's files go: the result folder in the making."""

    @property
    def scratch(self) -> Path:
        """A folder for what is needed only while at work; it goes even where the process is killed."""

    def path(self, relative: str) -> Path:
        """Where to write a file; its folder is made. `relative` has forward slashes and can't lead out of the folder.

        An `OSError` in writing there may be let through.
        """

    def write_bytes(self, relative: str, data: bytes) -> None:
        """Write a file of the result."""


class Writer(Protocol):
    """What a kind's module has under the name ``write``."""

    def __call__(self, song: Song, out: Outlet, options: DeliverOptions, progress: Progress) -> None:
        """Make the files of one kind.

        Parameters
        ----------
        song
            What to make them of. Its stems are read only.
        out
            Where they go.
        options
            How they are made.
        progress
            To be told how far it is, 0 to 1, at least once a second.

        Raises
        ------
        BridgeError
            If it can't be made; the message says why in one line. What was written of it is removed by the caller.
        """


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of delivery.

    Attributes
    ----------
    doc
        What it is, for people.
    module
        Whose function ``write`` is its `Writer`.
    """

    doc: str
    module: str


#: By their names, which are those of `bridge.names.DELIVERIES`.
KINDS: Mapping[str, Kind] = {
    "als": Kind("Ableton Live Set with a MIDI track for each part and its stem beside it", "bridge.deliver.als"),
    "dawproject": Kind("the same for Bitwig Studio, Studio One and Cubase", "bridge.deliver.dawproject"),
    "loops": Kind("segments of 8 bars, audio and MIDI", "bridge.deliver.loops"),
    "score": Kind("score and piano reduction as MusicXML, SVG and PDF", "bridge.deliver.score"),
    "preview": Kind("each part's MIDI as audio", "bridge.deliver.preview"),
    "overview": Kind("a page to see and hear everything in a browser", "bridge.deliver.overview"),
}


def writer_of(kind: str) -> Writer:
    """What makes a kind of `KINDS`; its module is imported now."""
    return cast(Writer, import_module(KINDS[kind].module).write)
