"""The onset engine on grooves made here, where every hit is known."""

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from bridge.audio.file import AudioFile
from bridge.drums.events import find_events
from bridge.drums.onset_engine import OnsetDrumEngine
from bridge.errors import Cancelled
from bridge.model import COMPONENTS, GM_DRUM, Note
from bridge.progress import Progress

RATE = 44_100
Sound = NDArray[np.float64]


def seconds(length_s: float) -> Sound:
    return np.arange(int(length_s * RATE)) / RATE


def noise(length_s: float, low_hz: float, high_hz: float, decay_s: float, seed: int = 0) -> Sound:
    t = seconds(length_s)
    white = np.random.default_rng(seed).standard_normal(len(t))
    return sosfilt(butter(2, (low_hz, high_hz), "band", fs=RATE, output="sos"), white) * np.exp(-t / decay_s)


def kick() -> Sound:
    t = seconds(0.8)
    return 0.9 * np.sin(2 * np.pi * (55 * t + 60 * 0.03 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.08)


def snare() -> Sound:
    t = seconds(0.6)
    return 0.5 * np.sin(2 * np.pi * 200 * t) * np.exp(-t / 0.04) + noise(0.6, 500, 6000, 0.05)


def hat(decay_s: float = 0.02) -> Sound:
    return 0.5 * noise(2.0, 7000, 16_000, decay_s, seed=1)


def tom(hertz: float) -> Sound:
    t = seconds(2.0)
    return 0.8 * np.sin(2 * np.pi * (hertz * t + 20 * 0.05 * (1 - np.exp(-t / 0.05)))) * np.exp(-t / 0.2)


def place(hits: list[tuple[float, Sound]], length_s: float) -> Sound:
    track = np.zeros(int(length_s * RATE))
    for at, sound in hits:
        start = round(at * RATE)
        track[start : start + len(sound)] += sound[: len(track) - start]
    return 0.5 * track


@pytest.fixture
def audio(tmp_path: Path) -> Callable[..., AudioFile]:
    def write(samples: Sound, rate: int = RATE) -> AudioFile:
        path = tmp_path / "drums.wav"
        soundfile.write(path, samples, rate, subtype="FLOAT")
        return AudioFile.open(path)

    return write


def hits_of(audio: AudioFile) -> list[Note]:
    return OnsetDrumEngine().transcribe(audio, {}, Progress())


def onsets(notes: list[Note], *names: str) -> list[float]:
    return [note.onset_s for note in notes if note.pitch in {GM_DRUM[name] for name in names}]


def groove(bars: int = 4) -> tuple[Sound, dict[str, list[float]]]:
    """Rock at 120: kick on 1 and 3, snare on 2 and 4, hats on eighths."""
    kicks = [0.5 + 2 * bar + beat for bar in range(bars) for beat in (0.0, 1.0)]
    snares = [0.5 + 2 * bar + beat for bar in range(bars) for beat in (0.5, 1.5)]
    hats = [0.5 + 0.25 * eighth for eighth in range(8 * bars)]
    sounds = [(at, kick()) for at in kicks] + [(at, snare()) for at in snares] + [(at, hat()) for at in hats]
    return place(sounds, 1 + 2 * bars), {"kick": kicks, "snare": snares, "closed_hat": hats}


def test_a_rock_beat_comes_out_with_its_kicks_snares_and_hats(audio):
    samples, truth = groove()

    notes = hits_of(audio(samples))

    assert np.allclose(onsets(notes, "kick"), truth["kick"], atol=0.015)
    assert np.allclose(onsets(notes, "snare"), truth["snare"], atol=0.015)
    alone = [at for at in truth["closed_hat"] if at not in truth["kick"] + truth["snare"]]
    found = np.array(onsets(notes, "closed_hat"))
    assert all(np.abs(found - at).min() < 0.015 for at in alone)
    assert not onsets(notes, "tom_high", "tom_mid", "tom_low", "crash", "ride")


def test_hits_are_timed_within_ten_milliseconds(audio):
    samples, truth = groove()

    notes = hits_of(audio(samples))

    late = [at - min(truth[name], key=lambda t: abs(t - at)) for name in truth for at in onsets(notes, name)]
    assert abs(np.median(late)) < 0.01


def test_hits_come_in_order_and_end_before_the_next_of_their_key(audio):
    notes = hits_of(audio(groove()[0]))

    assert notes == sorted(notes)
    for key in {note.pitch for note in notes}:
        same = [note for note in notes if note.pitch == key]
        assert all(one.offset_s <= following.onset_s for one, following in pairwise(same))


def test_open_hats_are_told_from_closed_by_their_decay(audio):
    is_open = [False, False, True, False, False, True, False, True]
    sounds = [(0.5 + 0.5 * i, hat(0.3 if ring else 0.02)) for i, ring in enumerate(is_open)]

    notes = hits_of(audio(place(sounds, 5.0)))

    assert [note.pitch == GM_DRUM["open_hat"] for note in notes] == is_open


def test_toms_are_sorted_by_pitch(audio):
    notes = hits_of(audio(place([(0.5, tom(210)), (1.5, tom(160)), (2.5, tom(120))], 4.0)))

    assert [note.pitch for note in notes] == [GM_DRUM["tom_high"], GM_DRUM["tom_mid"], GM_DRUM["tom_low"]]


def test_louder_hits_have_higher_velocities(audio):
    gains = [1.0, 0.25, 0.5, 0.125, 1.0, 0.5]

    notes = hits_of(audio(place([(0.5 + 0.5 * i, gain * snare()) for i, gain in enumerate(gains)], 4.0)))
    velocities = [note.velocity for note in notes if note.pitch == GM_DRUM["snare"]]

    assert [gain for _, gain in sorted(zip(velocities, gains, strict=True))] == sorted(gains)
    assert velocities[0] == pytest.approx(2 * velocities[1], rel=0.15)  # 12 dB


def test_a_fast_roll_keeps_its_strokes(audio):
    notes = hits_of(audio(place([(0.5 + 0.08 * i, snare()) for i in range(16)], 3.0)))

    assert len(onsets(notes, "snare")) >= 14


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(5 * RATE),
        1e-5 * np.random.default_rng(0).standard_normal(5 * RATE),
        0.5 * np.sin(2 * np.pi * 440 * seconds(5.0) + 1),
    ],
    ids=["silence", "dither", "a lone sine"],
)
def test_what_is_no_drum_gives_no_hits(audio, samples):
    assert hits_of(audio(samples)) == []


@pytest.mark.parametrize("length", [1, 2, 100, 5000])
def test_tiny_inputs_are_split_and_transcribed(audio, length):
    drums = audio(0.5 * np.random.default_rng(0).standard_normal((length, 2)))

    hits_of(drums)
    blocks = list(OnsetDrumEngine().split(drums, Progress()))

    assert sum(len(block["kick"]) for block in blocks) == length


@pytest.mark.parametrize("rate, channels", [(8000, 1), (22_050, 2), (96_000, 1)])
def test_components_tile_the_drums_at_any_rate_and_never_exceed_them(audio, rate, channels):
    samples = np.random.default_rng(0).standard_normal((5 * rate, channels)) * 0.1
    samples[rate // 2 :: rate // 2] += 0.8
    drums = audio(samples, rate)

    blocks = list(OnsetDrumEngine().split(drums, Progress()))

    assert all(set(block) == set(COMPONENTS) for block in blocks)
    total = np.concatenate([sum(block.values()) for block in blocks])
    assert total.shape == (drums.length, channels)
    assert total.dtype == np.float32
    assert np.sum(total**2) < np.sum(samples**2)


def test_each_drum_goes_to_its_own_component(audio):
    drums = {"kick": (0.5, kick()), "snare": (1.5, snare()), "hihat": (2.5, hat())}
    mix = audio(place(list(drums.values()), 4.0))

    blocks = list(OnsetDrumEngine().split(mix, Progress()))

    for name, (at, sound) in drums.items():
        made = np.concatenate([block[name] for block in blocks])[:, 0]
        true = place([(at, sound)], 4.0)
        assert 10 * np.log10(np.sum(true**2) / np.sum((true - made) ** 2)) > 6, name


def test_where_windows_begin_does_not_change_the_events(audio):
    drums = audio(groove(8)[0])

    whole, pieces = find_events(drums, Progress()), find_events(drums, Progress(), window_s=3.7)

    assert np.array_equal(whole.frames, pieces.frames)
    assert np.allclose(whole.energy, pieces.energy, rtol=1e-3, atol=1e-9)


def test_the_same_drums_give_the_same_hits(audio):
    drums = audio(groove()[0])

    assert hits_of(drums) == hits_of(drums)


def test_components_do_not_change_the_hits(audio):
    drums = audio(groove()[0])

    assert OnsetDrumEngine().transcribe(drums, {"kick": drums}, Progress()) == hits_of(drums)


def test_cancelling_stops_both_jobs(audio):
    drums, asked = audio(groove()[0]), threading.Event()
    asked.set()

    with pytest.raises(Cancelled):
        OnsetDrumEngine().transcribe(drums, {}, Progress(cancelled=asked))
    with pytest.raises(Cancelled):
        next(OnsetDrumEngine().split(drums, Progress(cancelled=asked)))
