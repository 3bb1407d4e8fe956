"""What became of the user's own files when a result was replaced, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.deliver.als import usual_project
from bridge.deliver.song import Song
from bridge.disk import printable
from bridge.write.manifest import File

#: So many files are named.
_MOST_NAMES = 3


def remarks(song: Song, made: Sequence[File], kept: Sequence[str]) -> Iterator[str]:
    """A sentence for each thing that the user would else look for.

    Parameters
    ----------
    song
        What the result is of.
    made
        The files that were delivered now.
    kept
        Where the user's files are that could not stay in their places.
    """
    usual = f"{usual_project(song.name)}/"
    for path in (file.path for file in made if file.path.endswith(".als") and not file.path.startswith(usual)):
        yield f"the Live project in which you saved a set stays as it is; the new set is {printable(path)}"
    if kept:
        names = ", ".join(map(printable, kept[:_MOST_NAMES]))
        more = f" and {len(kept) - _MOST_NAMES} more" if len(kept) > _MOST_NAMES else ""
        yield f"files that you added or changed made room for new ones: {names}{more}"
