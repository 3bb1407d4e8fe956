"""Which beats begin a bar, and how many there are in one: from accents and from where harmony changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from bridge.tempo.envelope import Envelopes

Array = NDArray[np.float64]

#: An onset counts for a beat when it is this near.
NEAR_S = 0.04
#: What a bar line is told by, each in standard deviations over the beats, fitted by ``make tune-tempo`` on recordings
#: made for it: harmony that is new after it for one, two and four beats, and onsets on it in three bands. Kicks come
#: elsewhere too; a snare (middle) speaks against. Of harmony's fitted weights (1.37, 2.74, 1.55) two fifths are taken:
#: the made recordings' chords change at nearly every bar line, those of records less often, and bar lines there are
#: found as well so (0.561 against 0.556).
WEIGHTS = {"1 beat": 0.55, "2 beats": 1.10, "4 beats": 0.62, "low": 0.73, "middle": -1.39, "high": 0.44}
#: One crash or the start of the recording counts no more than this many deviations.
OUTLIER = 2.5
#: Beats over which harmony is compared.
HARMONY_BEATS = (1, 2, 4)
#: Harmony that changes by less than this deviation hardly changes: drums alone have about 0.02, songs 0.04 to 0.09.
CHANGING = 0.03
#: 3/4 must fit this much better than 4/4, which is far more common, and the places of its bar must differ this much
#: more than by chance: one song in twenty without any meter would reach that (chi-squared with 2 places by 4 features).
WALTZ_LEAD, WALTZ_LEAST = 1.15, 1.94
#: In 6/8 the middle of the bar, one and a half quarters in, is this many times as strong as its second and third
#: quarter.
COMPOUND_LEAD = 1.5
#: Fewer beats tell no meter.
MIN_BEATS = 12


@dataclass(frozen=True, slots=True)
class Bars:
    """The meter, and the index of the first beat that begins a bar."""

    time_signature: tuple[int, int]
    first_downbeat: int

    @property
    def beats_per_bar(self) -> int:
        """Quarter notes in a bar."""
        return self.time_signature[0] * 4 // self.time_signature[1]


def find_bars(beats_s: Array, mix: Envelopes, drums: Envelopes | None) -> Bars:
    """The meter and first downbeat of beats; 4/4 from the first beat where there is too little to tell."""
    if len(beats_s) < MIN_BEATS:
        return Bars((4, 4), 0)
    evidence = bar_evidence(beats_s, mix, drums)
    bar_line = evidence @ np.array(list(WEIGHTS.values()))
    # one and two beats of harmony say nearly the same, and repetition is judged by independent features
    harmony = _standardised(evidence[:, 1:3].sum(axis=1, keepdims=True))
    features = np.column_stack([harmony, evidence[:, len(HARMONY_BEATS) :]])
    if _repetition(features, 3) > max(
        WALTZ_LEAST, WALTZ_LEAD * _repetition(features, 4), WALTZ_LEAD * _repetition(features, 2)
    ):
        first = int(np.argmax(by_place(bar_line, 3)))
        return Bars(_triple_signature(beats_s[first::3], mix), first)
    return Bars((4, 4), int(np.argmax(by_place(bar_line, 4))))


def bar_evidence(beats_s: Array, mix: Envelopes, drums: Envelopes | None) -> Array:
    """What each beat has of what tells bar lines, shape (beats, evidence), in the order of `WEIGHTS`."""
    harmony = np.column_stack([_harmony_change(beats_s, mix, reach) for reach in HARMONY_BEATS])
    trust = np.minimum(1.0, harmony.std(axis=0) / CHANGING)
    heard = [_standardised(_accents(beats_s, source)) for source in (mix, drums) if source is not None]
    return np.column_stack([trust * _standardised(harmony), np.mean(heard, axis=0)])


def _accents(times_s: Array, envelopes: Envelopes) -> Array:
    """Onset strength of the three groups at times, shape (times, 3)."""
    near = 2 * round(NEAR_S * envelopes.coarse_fps) + 1
    strongest = maximum_filter1d(envelopes.coarse, near, axis=0)
    frames = np.round(times_s * envelopes.coarse_fps).astype(int)
    return np.asarray(strongest[np.clip(frames, 0, len(strongest) - 1)], dtype=np.float64)


def _harmony_change(beats_s: Array, envelopes: Envelopes, reach: int) -> Array:
    """How new the harmony is from each beat on, 0 to 1, shape (beats,): how far the pitch classes of the `reach` beats
    after it are from those of as many before; the mean where the recording has not so many.
    """
    chroma = envelopes.chroma / np.maximum(np.linalg.norm(envelopes.chroma, axis=1, keepdims=True), 1e-9)
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0, dtype=np.float64)])
    edges = sums[np.clip(np.round(beats_s * envelopes.chroma_fps).astype(int), 0, len(sums) - 1)]
    beats = np.arange(len(edges))
    before = edges - edges[np.maximum(0, beats - reach)]
    after = edges[np.minimum(len(edges) - 1, beats + reach)] - edges
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    change = np.where(norms > 0.0, 1.0 - np.sum(before * after, axis=1) / np.maximum(norms, 1e-9), 0.0)
    change[:reach] = change[-reach:] = change[reach:-reach].mean()
    return change


def _standardised(columns: Array) -> Array:
    """Columns with mean 0 and deviation 1, outliers clipped; constant ones become 0."""
    deviation = columns.std(axis=0)
    standard = (columns - columns.mean(axis=0)) / np.where(deviation > 1e-9, deviation, np.inf)
    return np.asarray(np.clip(standard, -OUTLIER, OUTLIER))


def by_place(values: Array, beats_per_bar: int) -> Array:
    """Means of the values at each place in the bar, shape (beats_per_bar,)."""
    return np.array([values[place::beats_per_bar].mean() for place in range(beats_per_bar)])


def _repetition(features: Array, beats_per_bar: int) -> float:
    """How much the places of a bar differ in all features (beats, features); about 1 where they differ by chance
    only.
    """
    means: Array = np.array([by_place(column, beats_per_bar) for column in features.T])
    return float(np.mean(means.var(axis=1, ddof=1)) * len(features) / beats_per_bar)


def _triple_signature(downbeats_s: Array, envelopes: Envelopes) -> tuple[int, int]:
    """3/4, or 6/8 where the middle of the bar is stronger than its second and third quarter."""
    lengths_s = np.diff(downbeats_s)
    starts_s = downbeats_s[:-1]
    middle, second, third = (
        _accents(starts_s + part * lengths_s, envelopes).sum(axis=1).mean() for part in (1 / 2, 1 / 3, 2 / 3)
    )
    return (6, 8) if middle > COMPOUND_LEAD * max(second, third) else (3, 4)
