"""The separator of a recording of one instrument: its only stem is the recording itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.audio.file import AudioFile
from bridge.engines import PartBlock
from bridge.model import EngineId
from bridge.progress import Progress


@dataclass(frozen=True, slots=True)
class WholeRecording:
    """A `bridge.engines.Separator` that gives everything to one part.

    Attributes
    ----------
    part
        The part that the recording is.
    """

    part: str

    @property
    def identity(self) -> EngineId:
        """Named ``none``: nothing is separated. The version says what the recording is taken for."""
        return EngineId("none", self.part)

    @property
    def parts(self) -> tuple[str, ...]:
        """The one part."""
        return (self.part,)

    def separate(self, mix: AudioFile, progress: Progress) -> Iterator[PartBlock]:
        """Yield the recording, block by block."""
        done = 0
        for block in mix.blocks():
            yield {self.part: block}
            done += len(block)
            progress.at(done / mix.length)
