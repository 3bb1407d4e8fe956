"""Where the beats are, once the tempo is known to about a percent: on a straight line, or one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter

from bridge.progress import Progress
from bridge.tempo.pulse import MULTIPLES, WINDOW_S, WINDOW_STEP_S, Onsets, autocorrelations, regularity_of

Array = NDArray[np.float64]

#: How far off `estimate_tempo` may be: its step is 0.7 %, a wide peak may move it by two.
TEMPO_REACH = 0.02
#: The fitted line is searched for in three rounds: blur of the envelope, and reach (s) of the line's two ends. The
#: first is what the coarse envelope's 10 ms frames leave open, the last is the fine envelope's own grain.
ROUNDS = ((0.008, 0.040), (0.004, 0.012), (0.002, 0.005))
STEPS = 25
#: More beats than these, evenly chosen, don't fix a line any better.
MOST_BEATS = 1000
#: Places in a period that are tried as its beginning.
PHASES = 64
#: Cost of a beat that comes early or late (D. Ellis, Beat Tracking by Dynamic Programming, 2007), against the square
#: root of onset strength at unit deviation: the root keeps one loud stroke from pulling the beats off their course.
#: Beats hardly differ from 200 to 800 (measured on live and programmed music); with 100 and less they slip to the
#: off-beat.
TIGHTNESS = 400.0
#: A beat is heard when onset strength near it reaches the local root mean square.
HEARD_S, HEARD_STRENGTH = 0.04, 1.0
#: Two windows' tempos that differ by more than this are two tempos; the grid they are read from has steps of 1.5 %.
OTHER_TEMPO = 0.04
#: The longest and shortest step from beat to beat, in periods.
STEP_RANGE = 1.5
#: A tempo map may leave the main tempo by this ratio; at 4/3 another reading of the same pulse would begin.
MAP_RANGE = 1.3
MAP_STEPS_PER_OCTAVE = 48
#: What it costs the tempo to move by an octave from one window to the next, against a regularity of 0 to 1 in each
#: window.
TEMPO_INERTIA = 1.0
#: A beat is drawn to the strongest onset this near: what the coarse envelope leaves open.
SETTLE_S = 0.025
#: Beats of a tempo map lie on a curve through this many neighbours, so that one player's early stroke is not a new
#: tempo.
CURVE_BEATS = 7


@dataclass(frozen=True, slots=True)
class Line:
    """Beats at a constant tempo: at `first_s` (0 to one period) and every `period_s` from there."""

    first_s: float
    period_s: float

    def beats_s(self, duration_s: float) -> Array:
        """All beats inside the recording."""
        count = max(0, int(np.ceil((duration_s - self.first_s) / self.period_s)))
        return np.asarray(self.first_s + self.period_s * np.arange(count, dtype=np.float64))

    def with_period(self, period_s: float, pivot_s: float) -> Line:
        """The line of another tempo that has a beat where this one has the beat nearest to `pivot_s`."""
        beat_s = self.first_s + round((pivot_s - self.first_s) / self.period_s) * self.period_s
        return Line(beat_s % period_s, period_s)


def fit_line(onsets: Onsets, bpm: float, progress: Progress) -> Line:
    """The line whose beats meet the most onset strength, at a tempo within 2 % of `bpm`."""
    period_s = 60.0 / _sharpened(onsets, bpm)
    line = Line(_best_phase(onsets, period_s), period_s)
    return _fitted(line, onsets, progress, may_turn=True)


def fit_phase(onsets: Onsets, bpm: float, progress: Progress) -> Line:
    """The line of exactly `bpm` whose beats meet the most onset strength."""
    line = Line(_best_phase(onsets, 60.0 / bpm), 60.0 / bpm)
    return _fitted(line, onsets, progress, may_turn=False)


def stray_s(beats_s: Array, line: Line, onsets: Onsets) -> float:
    """How far traced beats leave a line: 90 % of those that are heard stay within this, single ones smoothed out."""
    frames = np.clip(np.round(beats_s * onsets.fps).astype(int), 0, len(onsets.strength) - 1)
    near = maximum_filter1d(onsets.strength, 2 * round(HEARD_S * onsets.fps) + 1)[frames]
    heard = beats_s[near > HEARD_STRENGTH]
    if len(heard) < 2:
        return float("inf")
    turns = np.exp(2j * np.pi * (heard - line.first_s) / line.period_s)
    centred = np.angle(turns * np.conj(turns.sum())) / (2.0 * np.pi) * line.period_s
    return float(np.percentile(np.abs(median_filter(centred, 5)), 90))


def leaves_tempo(periods: Array, line: Line, fps: float) -> bool:
    """Whether the local periods (in frames) go far from the line's tempo for more than a tenth of the time."""
    far = np.abs(np.log2(periods / (line.period_s * fps))) > np.log2(1.0 + OTHER_TEMPO)
    return bool(np.mean(far) > 0.1)


def trace_beats(onsets: Onsets, periods: Array, progress: Progress) -> Array:
    """Beats in seconds, each on strong onsets and about a period after the one before.

    Parameters
    ----------
    onsets
        The recording's onsets.
    periods
        The local period at each frame, in frames, shape (frames,).
    progress
        Asked while it goes on.
    """
    reward = gaussian_filter1d(np.sqrt(onsets.strength), 0.015 * onsets.fps)
    reward /= max(float(reward.std()), 1e-9)
    furthest = int(np.ceil(STEP_RANGE * periods.max()))
    log_steps = np.log(np.arange(furthest, 0, -1))
    log_periods = np.log(periods)
    nearest = np.maximum(1, np.floor(periods / STEP_RANGE)).astype(int)
    total = np.zeros(len(reward) + furthest)
    previous = np.empty(len(reward), dtype=np.int64)
    for frame in range(len(reward)):
        if frame % 4096 == 0:
            progress.at(frame / len(reward))
        stop = furthest - nearest[frame] + 1
        reached = total[frame : frame + stop] - TIGHTNESS * (log_steps[:stop] - log_periods[frame]) ** 2
        best = int(np.argmax(reached))
        previous[frame] = frame - furthest + best
        total[frame + furthest] = reward[frame] + reached[best]
    last_period = int(min(len(reward), np.ceil(periods[-1])))
    frame = len(reward) - last_period + int(np.argmax(total[-last_period:]))
    frames = []
    while frame >= 0:
        frames.append(frame)
        frame = int(previous[frame])
    return np.array(frames[::-1]) / onsets.fps


def local_periods(onsets: Onsets, bpm: float) -> Array:
    """The period at each frame, in frames: the path through the windows' regularities that is best and smoothest."""
    reach = int(np.log2(MAP_RANGE) * MAP_STEPS_PER_OCTAVE)
    octaves = np.arange(-reach, reach + 1) / MAP_STEPS_PER_OCTAVE
    bpms = bpm * 2.0**octaves
    fps, length = onsets.fps, len(onsets.strength)
    windows = autocorrelations(onsets.strength, fps)
    regularity = np.array([regularity_of(window, fps, bpms) for window in windows])
    cost = TEMPO_INERTIA * np.abs(octaves[:, None] - octaves)
    total, previous = regularity[0], []
    for row in regularity[1:]:
        reached = total[:, None] - cost
        previous.append(np.argmax(reached, axis=0))
        total = row + np.max(reached, axis=0)
    path = [int(np.argmax(total))]
    for step in reversed(previous):
        path.append(int(step[path[-1]]))
    centres_s = np.arange(len(windows)) * WINDOW_STEP_S + min(WINDOW_S, length / fps) / 2.0
    periods = 60.0 * fps / bpms[path[::-1]]
    return np.interp(np.arange(length) / fps, centres_s, periods)


def settle(beats_s: Array, onsets: Onsets) -> Array:
    """Traced beats on the attacks near them, and on a smooth curve."""
    from scipy.signal import savgol_filter  # a second to import, and few songs need it

    fine_fps = onsets.fine_fps
    reach = round(SETTLE_S * fine_fps)
    around = np.arange(-reach, reach + 1)
    preference = np.exp(-0.5 * (around / (0.5 * reach)) ** 2)
    centres = np.round(beats_s * fine_fps).astype(int)
    attacks = np.pad(gaussian_filter1d(onsets.fine, 0.002 * fine_fps), reach + 1)
    near = attacks[np.clip(centres[:, None] + around + reach + 1, 0, len(attacks) - 1)] * preference
    settled = np.where(near.max(axis=1) > 0.0, (centres + around[np.argmax(near, axis=1)]) / fine_fps, beats_s)
    if len(settled) >= CURVE_BEATS:
        settled = savgol_filter(settled, CURVE_BEATS, 2)
    return np.asarray(settled)


def extended(beats_s: Array, duration_s: float) -> Array:
    """Beats continued to both ends of the recording at the tempo found there, those outside dropped."""
    edge = min(len(beats_s) - 1, 4)
    first_gap = (beats_s[edge] - beats_s[0]) / edge
    last_gap = (beats_s[-1] - beats_s[-1 - edge]) / edge
    before = beats_s[0] - first_gap * np.arange(int(max(0.0, beats_s[0]) / first_gap), 0, -1)
    after = beats_s[-1] + last_gap * np.arange(1, int(max(0.0, duration_s - beats_s[-1]) / last_gap) + 1)
    beats = np.concatenate([before, beats_s, after])
    return beats[(beats >= 0.0) & (beats < duration_s)]


def _sharpened(onsets: Onsets, bpm: float) -> float:
    """The tempo near `bpm` at which the whole recording's onsets come again, from their spectrum: sharper the longer it
    is.
    """
    strength, fps = onsets.strength, onsets.fps
    size = fft.next_fast_len(4 * len(strength), real=True)
    spectrum = np.abs(fft.rfft(strength - strength.mean(), size))
    candidates_hz = np.linspace(1.0 - TEMPO_REACH, 1.0 + TEMPO_REACH, 4001) * bpm / 60.0
    bins = np.arange(len(spectrum))
    power = np.sum([np.interp(count * candidates_hz * size / fps, bins, spectrum) for count in MULTIPLES], axis=0)
    return float(candidates_hz[np.argmax(power)] * 60.0)


def _best_phase(onsets: Onsets, period_s: float) -> float:
    """When in the period the onsets are strongest, in seconds."""
    strength = onsets.strength
    phases = (np.arange(len(strength)) / onsets.fps / period_s % 1.0 * PHASES).astype(int)
    blur = 0.015 / period_s * PHASES
    met = gaussian_filter1d(np.bincount(phases, strength, PHASES), blur, mode="wrap")
    asked = gaussian_filter1d(np.bincount(phases, minlength=PHASES).astype(float), blur, mode="wrap")
    return float((np.argmax(met / np.maximum(asked, 1e-9)) + 0.5) / PHASES * period_s)


def _fitted(line: Line, onsets: Onsets, progress: Progress, *, may_turn: bool) -> Line:
    """The line near another that meets the most onsets, in ever finer steps."""
    for blur_s, reach_s in ROUNDS:
        progress.check()
        blurred = gaussian_filter1d(onsets.fine, blur_s * onsets.fine_fps)
        shifts_s = np.linspace(-reach_s, reach_s, STEPS)
        line = _best_of(line, blurred, onsets.fine_fps, shifts_s, shifts_s if may_turn else np.zeros(1))
    return replace(line, first_s=line.first_s % line.period_s)


def _best_of(line: Line, fine: Array, fps: float, shifts_s: Array, turns_s: Array) -> Line:
    """The line that meets the most of a curve, of those shifted by each of `shifts_s` and turned at their ends by each
    of `turns_s`.
    """
    beats_s = line.beats_s(len(fine) / fps)
    if len(beats_s) < 2:
        return line
    lever = np.linspace(-1.0, 1.0, len(beats_s))
    some = slice(None, None, 1 + len(beats_s) // MOST_BEATS)
    turned_s = beats_s[some] + turns_s[:, None] * lever[some]
    met = np.array([_at(fine, (turned_s + shift_s) * fps).sum(axis=1) for shift_s in shifts_s])
    best_shift, best_turn = np.unravel_index(int(np.argmax(met)), met.shape)
    shift_s, turn_s = float(shifts_s[best_shift]), float(turns_s[best_turn])
    return Line(line.first_s + shift_s - turn_s, line.period_s + 2.0 * turn_s / (len(beats_s) - 1))


def _at(curve: Array, places: Array) -> Array:
    """A curve's values at fractional frames, by straight lines; beyond its ends, the values there."""
    places = np.clip(places, 0.0, len(curve) - 1.0)
    before = np.minimum(places.astype(int), len(curve) - 2)
    after_share = places - before
    return np.asarray((1.0 - after_share) * curve[before] + after_share * curve[before + 1])
