"""The trained drum engine: a network that hears nine kinds of strokes at once, how hard they are, and what is whose.

It works on clean drum stems, on separated ones and on whole mixes: it was trained on all three
(``docs/reference/drum-model.md``). The audio is read in blocks, twice: once for its level, once for the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from bridge.audio.file import AudioFile
from bridge.audio.resample import resampled, resampled_length
from bridge.drums.attack import attack
from bridge.drums.hits import HIT_S, ended
from bridge.drums.kit_decode import CLASSES, Stroke, strokes
from bridge.drums.kit_features import HOP, SAMPLE_RATE, WINDOW, Array, loudness_gain, moment_levels, spectrogram
from bridge.drums.kit_network import KitNetwork
from bridge.engines import PartBlock
from bridge.model import GM_DRUM, EngineId, Note
from bridge.progress import Progress

#: Raised whenever the same network would give other notes.
_DECODER = "2"


class KitDrumEngine:
    """Finds strokes, and the components that they are struck on, with a trained network.

    Parameters
    ----------
    model
        The network's file, or None for the one that came with Stembridge.
    surrounding
        Whether the drums are heard ``alone`` or ``mixed``: with other instruments, or a poor separator's leavings.

    Raises
    ------
    EngineUnavailable
        There is no such file.
    """

    def __init__(self, model: Path | None = None, surrounding: Literal["alone", "mixed"] = "alone") -> None:
        self._network = KitNetwork(model)
        self._surrounding = surrounding

    @cached_property
    def identity(self) -> EngineId:
        """Name, version (with the decoder's) and hash of the network."""
        own = self._network.identity
        return EngineId(own.name, f"{own.version}+{self._surrounding}{_DECODER}", own.sha256)

    @property
    def _least(self) -> float:
        return self._network.facts.least[self._surrounding]

    def load(self) -> None:
        """Import what the work needs, and load the network."""
        import bridge.drums.kit_masks  # noqa: F401  it brings scipy

        self._network.load()

    def split(self, drums: AudioFile, progress: Progress) -> Iterator[PartBlock]:
        """Yield kick, snare, hihat, cymbal, ride and tom; what the network holds for none of them is in none.

        Raises
        ------
        EngineUnavailable, EngineFailed
            The network or its runtime is missing, or broke down.
        Cancelled
            Through `progress`.
        """
        from bridge.drums.kit_masks import share_out

        gain = _gain(drums, progress.part(0.0, 0.1))
        shares = self._network.shares(_features(drums, gain, progress))
        yield from share_out(drums, shares, progress.part(0.1, 1.0))

    def transcribe(self, drums: AudioFile, components: Mapping[str, AudioFile], progress: Progress) -> list[Note]:
        """Hits in order of onset, with General MIDI keys; `components` are not listened to.

        Raises
        ------
        EngineUnavailable, EngineFailed
            The network or its runtime is missing, or broke down.
        Cancelled
            Through `progress`.
        """
        gain = _gain(drums, progress.part(0.0, 0.1))
        total = max(1, resampled_length(drums.length, drums.sample_rate, SAMPLE_RATE) // HOP)
        working = progress.part(0.1, 0.9)
        found: list[Stroke] = []
        for heard in self._network.hear(_features(drums, gain, progress)):
            working.at(heard.stop / total)
            first_s = heard.first * HOP / SAMPLE_RATE
            for one in strokes(heard.onsets, heard.velocities, self._least):
                at_s = one.at_s + first_s
                if heard.start <= round(at_s * SAMPLE_RATE / HOP) < heard.stop:
                    found.append(Stroke(at_s, one.kind, one.probability, one.velocity))
        return ended(list(self._notes(drums, found, progress.part(0.9, 1.0))))

    def _notes(self, drums: AudioFile, found: list[Stroke], progress: Progress) -> Iterator[Note]:
        for place, one in enumerate(found):
            progress.at(place / len(found))
            onset = attack(drums, one.at_s)
            if onset >= drums.duration_s:
                continue
            # At the threshold as likely as not, and surer from there.
            sure = 1 - 0.5 * self._least / one.probability
            velocity = int(np.clip(round(127 * one.velocity), 1, 127))
            yield Note(onset, onset + HIT_S, GM_DRUM[CLASSES[one.kind]], velocity, confidence=round(sure, 3))
        progress.at(1.0)


def _gain(drums: AudioFile, progress: Progress) -> float:
    """The factor that brings `drums` to the level that the network knows."""
    levels = [np.zeros(0, dtype=np.float32)]
    for block in drums.blocks():
        progress.check()
        levels.append(moment_levels(block.mean(axis=1), drums.sample_rate))
    return loudness_gain(np.concatenate(levels))


def _features(drums: AudioFile, gain: float, progress: Progress) -> Iterator[Array]:
    """The features of all of `drums` in order, block by block; frame i is centred on i * 10 ms."""
    held = np.zeros(WINDOW // 2, dtype=np.float32)
    for block in resampled(drums, SAMPLE_RATE, channels=1):
        progress.check()
        held = np.concatenate([held, block[:, 0] * np.float32(gain)])
        if len(held) >= WINDOW:
            rows = spectrogram(held)
            yield rows
            held = held[len(rows) * HOP :]
    rest = spectrogram(np.concatenate([held, np.zeros(WINDOW // 2, dtype=np.float32)]))
    if len(rest):
        yield rest
