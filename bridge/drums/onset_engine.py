"""The drum engine that needs no training: onsets, templates and masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.audio.file import AudioFile
from bridge.drums.bands import BandAnalysis
from bridge.drums.decode import decode
from bridge.drums.events import find_events, load_libraries
from bridge.drums.hits import find_hits
from bridge.drums.masks import mask_blocks
from bridge.engines import PartBlock
from bridge.model import EngineId, Note
from bridge.progress import Progress


class OnsetDrumEngine:
    """Finds struck moments, explains each as a sum of drums, and masks the drums apart."""

    @property
    def identity(self) -> EngineId:
        """Name and version of the method."""
        return EngineId("onset", "1")

    def load(self) -> None:
        """Import what the analysis needs."""
        load_libraries()

    def split(self, drums: AudioFile, progress: Progress) -> Iterator[PartBlock]:
        """Yield kick, snare, hihat, cymbal, ride and tom; what none of them explains is in none."""
        events = find_events(drums, progress.part(0.0, 0.4))
        decoded = decode(events, BandAnalysis(drums.sample_rate).bands_heard, progress.part(0.4, 0.5))
        yield from mask_blocks(drums, events, decoded, progress.part(0.5, 1.0))

    def transcribe(self, drums: AudioFile, components: Mapping[str, AudioFile], progress: Progress) -> list[Note]:
        """Hits in order of onset, with General MIDI keys.

        The components are not listened to: they are masks of the same analysis, which is quicker made again than read
        back from six files, and the hits are then the same whether or not stems were made.
        """
        events = find_events(drums, progress.part(0.0, 0.8))
        decoded = decode(events, BandAnalysis(drums.sample_rate).bands_heard, progress.part(0.8, 0.95))
        return find_hits(drums, events, decoded, progress.part(0.95, 1.0))
