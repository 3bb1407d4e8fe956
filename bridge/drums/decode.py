"""Which drums an event is made of.

Each event's energy, by band and stretch of time, is explained as a sum of templates (non-negative factorisation with
fixed dictionary and Kullback-Leibler divergence, as in partially fixed NMF for drums: Wu & Lerch, ISMIR 2015). A
class is present when it explains its own bands, when its energy is not far below that of its loud hits in this
recording, and when its bands rose.

A template from a library may click more brightly than this recording's kick, and then a hi-hat on the kick would
vanish in it. So after a first round, kick, snare and hi-hat get one more template from the recording: the lowest
that each band goes under its confident hits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.drums.bands import BANDS, CENTRES_HZ, Array
from bridge.drums.events import STRETCHES, Events
from bridge.drums.templates import CLASSES, KINDS, Dictionary, load, shaped
from bridge.progress import Progress

#: Scores from which a class counts as present, 0 to 1; chosen on development grooves, in steps of 0.05.
THRESHOLDS = {"kick": 0.4, "snare": 0.25, "hat": 0.15, "tom": 0.5, "cymbal": 0.5}
#: A class is never measured against less than this part of the recording's loud events (-34 dB).
LEAST_LEVEL = 0.02
#: Below this part of its energy explained, an event is not made of drums.
LEAST_EXPLAINED = 0.5
#: A sound that keeps more than this part of its power for a quarter of a second is held, not struck.
MOST_HELD = 0.8
#: Toms are rare, and a tom with a hi-hat looks like a snare: they are heard where they explain this much more of
#: an event than other drums.
TOM_GAIN = 0.02

_ITERATIONS = 50  # after which scores no longer move by a hundredth
_BATCH = 1024
_CONFIDENT = 0.6
_ADAPT_FROM = 6  # confident hits; fewer say nothing about what they have in common
_ADAPT_AT_MOST = 1000
_LOWEST_PERCENT = 10
_EDGE = 1e-9
#: Classes of which a template is taken from the recording: its kind, and the bands (Hz) that set its level.
_ANCHORS = {
    "kick": ("kick", (40.0, 105.0)),
    "snare": ("snare", (150.0, 350.0)),
    "hat": ("closed_hat", (5000.0, 16_000.0)),
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was found in each event.

    Attributes
    ----------
    scores
        0 to 1 by class in the order of `CLASSES`, (events, classes).
    levels
        Magnitude that each class brought, (events, classes).
    kinds
        How much of an event each kind explains, 0 to 1, in the order of `KINDS`, (events, kinds).
    dictionary
        The templates, with those of this recording.
    """

    scores: Array
    levels: Array
    kinds: Array
    dictionary: Dictionary

    def present(self) -> NDArray[np.bool_]:
        """Which classes each event holds, (events, classes)."""
        return np.asarray(self.scores >= np.array([THRESHOLDS[name] for name in CLASSES], np.float32))


def decode(events: Events, bands_heard: int, progress: Progress) -> Decoded:
    """Explain `events`, of which the lowest `bands_heard` bands lie below half the sample rate."""
    dictionary = load().heard_below(bands_heard)
    if not len(events):
        nothing = np.zeros((0, len(CLASSES)), np.float32)
        return Decoded(nothing, nothing, np.zeros((0, len(KINDS)), np.float32), dictionary)
    first = _scored(events, dictionary, progress.part(0.0, 0.5))
    return _scored(events, _adapted(events, first), progress.part(0.5, 1.0))


def explain(energy: Array, dictionary: Dictionary) -> tuple[Array, Array]:
    """Activation of each template for `energy` of `Events`, (events, templates), and the normalised rows explained."""
    rows = shaped(energy)
    rows /= np.maximum(rows.sum(axis=1, keepdims=True), 1e-12)
    with_toms = _activations(rows, dictionary.rows)
    others = ~dictionary.of("tom")
    without = np.zeros_like(with_toms)
    without[:, others] = _activations(rows, dictionary.rows[others])
    gain = _explained(rows, with_toms @ dictionary.rows) - _explained(rows, without @ dictionary.rows)
    return np.where((gain > TOM_GAIN)[:, None], with_toms, without), rows


def _activations(rows: Array, templates: Array) -> Array:
    active = np.full((len(rows), len(templates)), 1 / len(templates), np.float32)
    for _ in range(_ITERATIONS):
        active *= (rows / (active @ templates + _EDGE)) @ templates.T
    return active


def _explained(rows: Array, model: Array) -> Array:
    """Part of each row that a model of it covers, 0 to 1."""
    return np.asarray(np.minimum(rows, model).sum(axis=1))


def _scored(events: Events, dictionary: Dictionary, progress: Progress) -> Decoded:
    measured = [*_measured(events, dictionary, progress)]
    share, levels, rise, kinds, explained = (np.concatenate(column) for column in zip(*measured, strict=True))
    # What a loud hit of the class is here: the mean level, weighted towards events that are loud and the class's own.
    weight = share**2 * levels
    loud = (weight * levels).sum(axis=0) / (weight.sum(axis=0) + 1e-12)
    loud = np.maximum(loud, LEAST_LEVEL * np.percentile(levels.sum(axis=1), 90) + 1e-12)
    scores = np.sqrt(share) * (np.minimum(levels / loud, 1) * rise) ** 0.25
    held = events.energy[:, -1].sum(axis=1) > MOST_HELD * events.energy[:, 0].sum(axis=1)
    scores[held | (explained < LEAST_EXPLAINED)] = 0
    return Decoded(scores.astype(np.float32), levels, kinds, dictionary)


def _measured(
    events: Events, dictionary: Dictionary, progress: Progress
) -> Iterator[tuple[Array, Array, Array, Array, Array]]:
    """For each batch: share of its own bands, level and rise by class; share by kind; share explained by all."""
    of_kind = np.eye(len(KINDS), dtype=np.float32)[dictionary.kinds]
    members = [dictionary.of(*kinds) for kinds in CLASSES.values()]
    profiles = np.stack([dictionary.profile(*kinds) for kinds in CLASSES.values()], axis=1)
    attacks = profiles[:BANDS] / np.maximum(profiles[:BANDS].sum(axis=0), _EDGE)
    for start in range(0, len(events), _BATCH):
        progress.at(start / len(events))
        energy, rise = events.energy[start : start + _BATCH], events.rise[start : start + _BATCH]
        active, rows = explain(energy, dictionary)
        total = active @ dictionary.rows
        parts = [active[:, member] @ dictionary.rows[member] / (total + _EDGE) * rows for member in members]
        own = rows @ profiles + _EDGE
        share = np.stack([part @ profile for part, profile in zip(parts, profiles.T, strict=True)], axis=1) / own
        magnitude = shaped(energy).sum(axis=1, keepdims=True)
        level = np.stack([part.sum(axis=1) for part in parts], axis=1) * magnitude
        yield share, level, rise @ attacks, active @ of_kind, _explained(rows, total)


def _adapted(events: Events, first: Decoded) -> Dictionary:
    """The dictionary with this recording's own kick and snare, where enough hits of them are certain."""
    dictionary, centres = first.dictionary, np.array(CENTRES_HZ)
    for name, (kind, (low, high)) in _ANCHORS.items():
        sure = np.flatnonzero(first.scores[:, list(CLASSES).index(name)] > _CONFIDENT)
        if len(sure) < _ADAPT_FROM:
            continue
        sure = sure[:: 1 + len(sure) // _ADAPT_AT_MOST]
        rows = shaped(events.energy[sure]).reshape(len(sure), len(STRETCHES), BANDS)
        anchor = rows[:, 0, (low < centres) & (centres < high)].sum(axis=1)
        lowest = np.percentile(rows / np.maximum(anchor, _EDGE)[:, None, None], _LOWEST_PERCENT, axis=0)
        dictionary = dictionary.with_template(lowest.reshape(-1).astype(np.float32), kind)
    return dictionary
