"""Drums apart: soft masks over time and frequency, from how each hit rises and decays in each band.

Every hit's energy is modelled by its class's share of the event, interpolated over time in dB and let ring on as it
was decaying. Where hits overlap a component gets its share of the model (a Wiener mask); where the audio is louder
than all hits explain, the rest is left to no component. A block is computed from its own samples alone, so where
blocks begin changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bridge.audio.file import AudioFile
from bridge.drums.bands import BAND_EDGES_HZ, BANDS, CENTRES_HZ, Array, BandAnalysis, band_matrix
from bridge.drums.decode import Decoded, explain
from bridge.drums.events import STRETCHES, Events
from bridge.drums.templates import CLASSES, KINDS, shaped, unshaped
from bridge.engines import PartBlock
from bridge.model import COMPONENTS, Samples
from bridge.progress import Progress

#: Component of each kind of template.
COMPONENT_OF_KIND = {
    "kick": "kick",
    "snare": "snare",
    "closed_hat": "hihat",
    "open_hat": "hihat",
    "crash": "cymbal",
    "ride": "ride",
    "tom": "tom",
}
#: Part of the audio's own power added to the model's sum: what is 10 dB above all hits goes half to the residual.
UNEXPLAINED = 0.1
#: How long hits are modelled (s), until masked by others or gone.
RING_S = 2.0

#: Fall of what rings on after the last stretch (nepers of power a frame): 20 dB a second, a large cymbal's.
FALL_PER_FRAME = 0.027

_BLOCK_FRAMES = 128  # mask frames: 1.5 s
_QUIET = 1e-12
_ATTACK_FRAMES = 4  # a window reaches this far ahead of an onset


@dataclass(frozen=True)
class _Masker:
    """Cuts one recording's components; a mask frame is two analysis frames, and windows overlap by half."""

    drums: AudioFile
    events: Events
    decoded: Decoded

    @cached_property
    def step(self) -> int:
        """Samples from mask frame to mask frame."""
        return 2 * BandAnalysis(self.drums.sample_rate).hop

    @cached_property
    def window(self) -> Array:
        """Sine window, used before and after: its squares sum to one at half overlap."""
        return np.asarray(np.sin(np.pi * (np.arange(2 * self.step) + 0.5) / (2 * self.step)), dtype=np.float32)

    @cached_property
    def to_bands(self) -> Array:
        return band_matrix(2 * self.step, self.drums.sample_rate, BAND_EDGES_HZ) * np.float32(
            (2 / self.window.sum()) ** 2
        )

    @cached_property
    def to_bins(self) -> Array:
        """Interpolates a mask from bands to bins over log frequency, (bands, bins)."""
        hertz = np.maximum(np.arange(self.step + 1) * self.drums.sample_rate / (2 * self.step), 1.0)
        position = np.interp(np.log(hertz), np.log(CENTRES_HZ), np.arange(BANDS))
        return np.asarray(np.maximum(0, 1 - np.abs(position - np.arange(BANDS)[:, None])), dtype=np.float32)

    def block(self, first: int, last: int) -> dict[str, Samples]:
        """Components of the samples between mask frames `first` and `last`."""
        import scipy.fft

        model = self._model(first, last + 1)
        samples = self.drums.read((first - 1) * self.step, (last + 1) * self.step)
        made = {name: np.zeros(((last - first) * self.step, samples.shape[1]), np.float32) for name in COMPONENTS}
        spectra = []
        for channel in samples.T:
            frames = np.lib.stride_tricks.sliding_window_view(channel, 2 * self.step)[:: self.step]
            spectra.append(scipy.fft.rfft(frames * self.window, axis=1))
        power = np.mean([spectrum.real**2 + spectrum.imag**2 for spectrum in spectra], axis=0) @ self.to_bands
        total = sum(model.values()) + np.float32(UNEXPLAINED) * power + np.float32(_QUIET)
        for name, share in model.items():
            mask = (share / total) @ self.to_bins
            for column, spectrum in enumerate(spectra):
                pieces = scipy.fft.irfft(spectrum * mask, n=2 * self.step, axis=1) * self.window
                halves = pieces[:-1, self.step :] + pieces[1:, : self.step]
                made[name][:, column] = halves.reshape(-1)
        return made

    def _model(self, first: int, stop: int) -> dict[str, Array]:
        """Power of the components that sound in mask frames `first` to `stop`, each (frames, bands)."""
        analysis = BandAnalysis(self.drums.sample_rate)
        ring = round(RING_S * self.drums.sample_rate / analysis.hop)
        start = int(np.searchsorted(self.events.frames, 2 * first - ring))
        end = int(np.searchsorted(self.events.frames, 2 * stop + _ATTACK_FRAMES))
        model: dict[str, Array] = {}
        if start == end:
            return model
        parts = self._parts(start, end)
        times = 2 * np.arange(first, stop)
        for event, by_component in zip(range(start, end), parts, strict=True):
            since = times - int(self.events.frames[event])
            inside = slice(*np.searchsorted(since, (-_ATTACK_FRAMES, ring)))
            for name, energy in by_component.items():
                rows = model.setdefault(name, np.zeros((stop - first, BANDS), np.float32))
                rows[inside] += _course(energy, since[inside])
        return model

    def _parts(self, start: int, end: int) -> Iterator[dict[str, Array]]:
        """For each event the energy, (stretches, bands), of each component that is present."""
        energy, dictionary = self.events.energy[start:end], self.decoded.dictionary
        active, rows = explain(energy, dictionary)
        present = self.decoded.present()[start:end]
        magnitude = shaped(energy).sum(axis=1)
        for event in range(end - start):
            kinds = [
                kind for name, there in zip(CLASSES, present[event], strict=True) if there for kind in CLASSES[name]
            ]
            models: dict[str, Array] = {}
            for kind in kinds:
                of_kind = dictionary.kinds == KINDS.index(kind)
                part = active[event, of_kind] @ dictionary.rows[of_kind]
                component = COMPONENT_OF_KIND[kind]
                models[component] = models[component] + part if component in models else part
            total = sum(models.values()) + np.float32(_QUIET)
            yield {
                name: unshaped((part / total * rows[event] * magnitude[event])[None])[0]
                for name, part in models.items()
            }


def mask_blocks(drums: AudioFile, events: Events, decoded: Decoded, progress: Progress) -> Iterator[PartBlock]:
    """The six components from start to end."""
    masker = _Masker(drums, events, decoded)
    frames = -(-drums.length // masker.step)
    for first in range(0, frames, _BLOCK_FRAMES):
        progress.at(first / frames)
        last = min(first + _BLOCK_FRAMES, frames)
        length = min(last * masker.step, drums.length) - first * masker.step
        yield {name: samples[:length] for name, samples in masker.block(first, last).items()}
    progress.at(1.0)


def _course(energy: Array, since: np.ndarray) -> Array:
    """A hit's power `since` frames after its onset, (frames, bands), from its `energy`, (stretches, bands)."""
    middles = np.array([(start + stop) / 2 for start, stop in STRETCHES])
    levels = np.log(np.maximum(energy, _QUIET))
    place = np.clip(np.searchsorted(middles, since) - 1, 0, len(middles) - 2)
    # Before the first middle the level holds; after the last it falls on as it fell before, and a little faster.
    along = np.maximum((since - middles[place]) / (middles[place + 1] - middles[place]), 0)[:, None]
    fall = np.minimum(levels[place + 1] - levels[place], 0)
    course = levels[place] + along * fall
    beyond = np.maximum(since - middles[-1], 0)[:, None]
    return np.asarray(np.exp(course - beyond * FALL_PER_FRAME), dtype=np.float32)
