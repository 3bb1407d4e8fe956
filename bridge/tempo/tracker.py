"""`OnsetBeatTracker`: tempo, beats and bars from where sounds begin, without a trained model."""

from __future__ import annotations

from bridge.audio.file import AudioFile
from bridge.model import BeatGrid, EngineId
from bridge.progress import Progress

#: Shorter recordings have no tempo to speak of.
MIN_DURATION_S = 2.0


class OnsetBeatTracker:
    """Finds tempo, beats and bars by the regularity of onsets.

    The tempo is one at which onsets come again regularly; which reading of it (half, double) is weighed by how drums,
    bass and harmony come again at each. A line is fitted through all onsets at once; where traced beats leave it, the
    beats themselves make a tempo map. Bars come from accents and harmony.
    """

    @property
    def identity(self) -> EngineId:
        """Name and version of the method."""
        return EngineId("onset-beats", "2")

    def load(self) -> None:
        """Import what `track` needs."""
        import bridge.tempo.envelope
        import bridge.tempo.grid  # noqa: F401

    def track(self, mix: AudioFile, drums: AudioFile | None, bpm: float | None, progress: Progress) -> BeatGrid:
        """The beat grid of `mix`, helped by its `drums` stem where there is one.

        A given `bpm` replaces the tempo, not the phase: the beats lie where at that tempo they meet the most onsets.
        Without a pulse (silence, a drone, less than 2 s) the beats count from 0, with confidence 0 where no tempo was
        given.
        """
        from bridge.tempo.envelope import measure_envelopes
        from bridge.tempo.grid import find_beats, grid_without_pulse

        if mix.duration_s < MIN_DURATION_S:
            return grid_without_pulse(mix.duration_s, bpm)
        sources = [mix] if drums is None else [mix, drums]
        share = 0.8 / len(sources)
        envelopes = [
            measure_envelopes(source, progress.part(index * share, (index + 1) * share))
            for index, source in enumerate(sources)
        ]
        grid = find_beats(envelopes, bpm, progress.part(0.8, 1.0))
        progress.at(1.0)
        return grid
