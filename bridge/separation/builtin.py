"""The builtin separator: needs no weights and no network, so it is what a fresh machine has.

It splits the mix into held, moving and struck layers (`bridge.separation.layers`) and shares these out among the parts
(`bridge.separation.shares`). The melody is the mix minus the other parts, so the parts sum to the mix.

Work goes on in stretches of frames. A stretch waits until the evidence of the seconds after it is in, so memory depends
on that time and not on the length of the recording.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bridge.audio.file import AudioFile
from bridge.engines import PartBlock
from bridge.model import PARTS, EngineId, Samples
from bridge.progress import Progress

if TYPE_CHECKING:
    from bridge.separation.cues import Cues
    from bridge.separation.layers import Layers

#: To be raised with every change that is heard, so that cached stems of an older one are not used.
VERSION = "1"

#: Frames worked on at once: 6 s at 44.1 kHz, a quarter of a second's work. More would waste less on margins.
STRETCH_FRAMES = 512
#: Fewer where they are long, at 192 kHz, for memory's sake.
STRETCH_SAMPLES = 1 << 19


class BuiltinSeparator:
    """Separates by how sounds move in time, frequency and between the loudspeakers."""

    @property
    def identity(self) -> EngineId:
        """Name and version; there are no weights."""
        return EngineId("builtin", VERSION)

    @property
    def parts(self) -> tuple[str, ...]:
        """The four parts."""
        return PARTS

    def separate(self, mix: AudioFile, progress: Progress) -> Iterator[PartBlock]:
        """Yield the parts from start to end, at the mix's own rate, channels and length."""
        from bridge.separation.layers import short_transform
        from bridge.separation.shares import share_out

        transform = short_transform(mix.sample_rate)
        frequencies = transform.frequencies(mix.sample_rate)
        position = 0
        tails: dict[str, Samples] = {}
        for first, layers, cues in _heard_in_context(mix, progress):
            progress.at(position / mix.length)
            start, stop = (transform.span(frame, frame + 1)[0] for frame in (first, first + layers.frames))
            inside = slice(position - start, min(stop, mix.length) - start)
            block: dict[str, Samples] = {}
            for part, spectra in share_out(layers, cues, frequencies).items():
                samples = transform.backward(spectra)
                if part in tails:
                    samples[: len(tails[part])] += tails[part]
                tails[part] = samples[stop - start :]
                block[part] = samples[inside]
            if inside.start < inside.stop:
                original = mix.read(position, position := inside.stop + start)
                yield {**block, "melody": original - sum(block.values(), np.zeros_like(original))}


def _heard_in_context(mix: AudioFile, progress: Progress) -> Iterator[tuple[int, Layers, Cues]]:
    """The first frame, the layers and the cues of every stretch of the mix, in order."""
    from bridge.separation.cues import CONTEXT_S, Cues, Evidence
    from bridge.separation.layers import short_transform, split_layers

    transform = short_transform(mix.sample_rate)
    frequencies = transform.frequencies(mix.sample_rate)
    frames_per_second = mix.sample_rate / transform.hop
    context = math.ceil(CONTEXT_S * frames_per_second) + 1
    begin, end = transform.frames_over(0, mix.length) if mix.length else (0, 0)
    waiting: deque[tuple[int, Layers]] = deque()
    evidence, evidence_begin = [], begin
    stretch = min(STRETCH_FRAMES, STRETCH_SAMPLES // transform.hop)
    for first in range(begin, end, stretch):
        last = min(first + stretch, end)
        layers = split_layers(mix, first, last, progress)
        waiting.append((first, layers))
        evidence.append(Evidence.of(layers, frequencies))
        while waiting and (last == end or waiting[0][0] + waiting[0][1].frames + context <= last):
            ready, layers = waiting.popleft()
            while evidence_begin + evidence[0].frames <= ready - context:
                evidence_begin += evidence.pop(0).frames
            cues = Cues.heard(Evidence.joined(evidence), frames_per_second, transform.size)
            yield ready, layers, cues[ready - evidence_begin : ready - evidence_begin + layers.frames]
