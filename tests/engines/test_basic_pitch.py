"""The transcriber of pitched parts on sounds whose notes are known."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from bridge.engines import Hearing
from bridge.errors import Cancelled, InvalidRequest
from bridge.model import Note
from bridge.progress import Progress, Report
from bridge.transcription.basic_pitch import BasicPitchTranscriber
from bridge.transcription.frames import joined
from bridge.transcription.listen import evidence
from bridge.transcription.network import Network, model_path
from bridge.transcription.polyphony import Polyphony
from bridge.transcription.profiles import PROFILES, SURE, Profile
from bridge.transcription.stretches import notes_of
from bridge.transcription.voice import Voice
from tests.note_sounds import Rows, audio_file, hits, sound

#: The profiles that need nothing beside the recording.
HEARD_ALONE = [name for name, profile in PROFILES.items() if not getattr(profile, "beside", 0)]

#: A note every half second, 0.4 s long.
BASS: Rows = [(0.5 + 0.5 * i, 0.9 + 0.5 * i, pitch) for i, pitch in enumerate((40, 43, 45, 40, 40, 38, 33, 35))]
LEAD: Rows = [(0.5 + 0.5 * i, 0.9 + 0.5 * i, pitch) for i, pitch in enumerate((60, 64, 67, 72, 76, 79, 84, 60))]
SUNG: Rows = [(0.5 + 0.5 * i, 0.9 + 0.5 * i, pitch) for i, pitch in enumerate((57, 60, 62, 64, 65, 64, 60, 57))]
CHORDS: Rows = [(0.5 + i, 1.4 + i, pitch) for i, chord in enumerate(((60, 64, 67), (57, 60, 65))) for pitch in chord]


@pytest.fixture(scope="module")
def transcriber() -> BasicPitchTranscriber:
    return BasicPitchTranscriber()


def assert_clean(notes: list[Note], duration_s: float, one_voice: bool) -> None:
    """What holds of every transcription."""
    assert notes == sorted(notes)
    assert all(0.0 <= note.onset_s < duration_s and 0.0 < note.confidence <= 1.0 for note in notes)
    for first, second in itertools.combinations(notes, 2):
        if one_voice or first.pitch == second.pitch:
            assert first.offset_s <= second.onset_s


@pytest.mark.parametrize(
    "part, truth, vibrato",
    [("bass", BASS, 0.0), ("melody", LEAD, 0.0), ("mix", CHORDS, 0.0), ("vocals", SUNG, 0.4)],
)
def test_known_notes_are_found_and_little_else(
    tmp_path: Path, transcriber: BasicPitchTranscriber, part: str, truth: Rows, vibrato: float
) -> None:
    audio = audio_file(tmp_path, sound(truth, 44100, 5.0, vibrato), 44100)
    notes = transcriber.transcribe(audio, part, Progress())
    assert_clean(notes, audio.duration_s, isinstance(PROFILES[part], Profile))
    assert hits(truth, notes) >= len(truth) - 1
    assert len(notes) <= len(truth) + 1


@pytest.mark.parametrize("rate", [8000, 192000])
def test_any_sample_rate_gives_the_same_notes(tmp_path: Path, transcriber: BasicPitchTranscriber, rate: int) -> None:
    audio = audio_file(tmp_path, np.repeat(sound(SUNG, rate, 5.0)[:, None], 2, axis=1), rate)
    assert hits(SUNG, transcriber.transcribe(audio, "mix", Progress())) >= len(SUNG) - 1


@pytest.mark.parametrize("part", HEARD_ALONE)
@pytest.mark.parametrize("length", [1, 300, 4410, 44100])
def test_silence_of_any_length_has_no_notes(
    tmp_path: Path, transcriber: BasicPitchTranscriber, part: str, length: int
) -> None:
    audio = audio_file(tmp_path, np.zeros(length, np.float32), 44100)
    assert transcriber.transcribe(audio, part, Progress()) == []


@pytest.mark.parametrize("part", HEARD_ALONE)
@pytest.mark.parametrize("length", [1, 4410])
def test_a_scrap_of_sound_is_no_problem(
    tmp_path: Path, transcriber: BasicPitchTranscriber, part: str, length: int
) -> None:
    audio = audio_file(tmp_path, sound([(0.0, 0.5, 60)], 44100, 0.5)[:length], 44100)
    assert_clean(transcriber.transcribe(audio, part, Progress()), audio.duration_s, isinstance(PROFILES[part], Profile))


def test_noise_too_faint_to_hear_has_no_notes(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    tone = sound(SUNG, 44100, 5.0) * 8e-4  # -76 dB
    assert transcriber.transcribe(audio_file(tmp_path, tone, 44100), "mix", Progress()) == []


def test_what_is_not_a_number_counts_as_silence(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    samples = sound(SUNG, 22050, 5.0)
    samples[1000:1010], samples[2000] = np.nan, np.inf
    assert hits(SUNG, transcriber.transcribe(audio_file(tmp_path, samples, 22050), "mix", Progress())) >= len(SUNG) - 1


def test_the_same_audio_gives_the_same_notes(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    audio = audio_file(tmp_path, sound(SUNG, 44100, 5.0, 0.4), 44100)
    first = transcriber.transcribe(audio, "vocals", Progress())
    assert (
        transcriber.transcribe(audio, "vocals", Progress())
        == first
        == BasicPitchTranscriber().transcribe(audio, "vocals", Progress())
    )


def test_a_louder_note_has_a_higher_velocity(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    samples = sum(sound([row], 44100, 5.0, level=level) for row, level in zip(LEAD, (0.4, 0.05) * 4, strict=True))
    notes = transcriber.transcribe(audio_file(tmp_path, samples, 44100), "melody", Progress())
    velocity = {round(note.onset_s, 1): note.velocity for note in notes}
    assert min(velocity[t] for t in (0.5, 1.5, 2.5, 3.5) if t in velocity) > max(
        velocity[t] for t in (1.0, 2.0, 3.0, 4.0) if t in velocity
    )


def test_a_glide_is_in_the_bend(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    time_s = np.arange(44100) / 44100
    pitch = 64 + 0.4 * np.clip((time_s - 0.3) / 0.4, 0.0, 1.0)
    phase = 2 * np.pi * np.cumsum(440.0 * 2.0 ** ((pitch - 69) / 12)) / 44100
    tone = 0.2 * sum(np.sin(h * phase) / h for h in range(1, 6)) * np.minimum(1.0, (1.0 - time_s) / 0.02)
    samples = np.concatenate([np.zeros(22050), tone, np.zeros(22050)]).astype(np.float32)
    (note,) = transcriber.transcribe(audio_file(tmp_path, samples, 44100), "vocals", Progress())
    assert note.pitch == 64
    times, semitones = np.array(note.bend).T
    assert np.all(np.diff(times) > 0)
    assert times[0] >= 0.0
    assert times[-1] < note.offset_s - note.onset_s
    assert semitones[(times > 0.1) & (times < 0.25)] == pytest.approx(0.0, abs=0.15)
    assert semitones[(times > 0.75) & (times < 0.9)] == pytest.approx(0.4, abs=0.15)


def test_a_late_note_is_on_time(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    samples = sound([(58.0, 58.5, 64)], 22050, 60.0)  # by then frames of 256 samples would be 0.3 s late
    (note,) = transcriber.transcribe(audio_file(tmp_path, samples, 22050), "melody", Progress())
    assert note.onset_s == pytest.approx(58.0, abs=0.02)
    assert note.offset_s == pytest.approx(58.5, abs=0.1)


def test_an_unknown_part_is_refused(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    with pytest.raises(InvalidRequest, match="choose from bass"):
        transcriber.transcribe(audio_file(tmp_path, np.zeros(10, np.float32), 44100), "kazoo", Progress())


def test_tightness_goes_from_every_candidate_to_the_sure_ones(
    tmp_path: Path, transcriber: BasicPitchTranscriber
) -> None:
    noise = np.random.default_rng(5).standard_normal(5 * 22050) * 0.02
    audio = audio_file(tmp_path, (sound(CHORDS, 22050, 5.0) + noise).astype(np.float32), 22050)
    heard = list(transcriber.listen(audio, None, "mix", Progress()))
    steps = [
        transcriber.decode(heard, Hearing("stem", "mix"), tightness, Progress()).notes
        for tightness in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    counts = [len(notes) for notes in steps]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > len(CHORDS)
    assert set(steps[4]) <= set(steps[3]) <= set(steps[2])
    assert all(note.confidence >= SURE for note in steps[4])


@pytest.mark.parametrize("part, rows", [("mix", CHORDS), ("bass", BASS)])
def test_a_note_is_as_loud_among_the_sure_ones_as_among_all(
    tmp_path: Path, transcriber: BasicPitchTranscriber, part: str, rows: Rows
) -> None:
    noise = np.random.default_rng(5).standard_normal(5 * 22050) * 0.02
    loud, soft = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    samples = sound(loud, 22050, 5.0) + 0.1 * sound(soft, 22050, 5.0) + noise
    heard = list(transcriber.listen(audio_file(tmp_path, samples.astype(np.float32), 22050), None, part, Progress()))

    def decoded(tightness: float) -> list[Note]:
        return transcriber.decode(heard, Hearing("stem", part), tightness, Progress()).notes

    usual = decoded(0.5)
    fewer = [notes for notes in (decoded(0.5 + step / 20) for step in range(1, 11)) if 0 < len(notes) < len(usual)]
    assert fewer
    assert all(set(notes) <= set(usual) for notes in fewer)


@pytest.mark.parametrize("tightness", [-0.1, 1.1, float("nan")])
def test_a_tightness_that_is_none_is_refused(transcriber: BasicPitchTranscriber, tightness: float) -> None:
    with pytest.raises(InvalidRequest, match="0 to 1"):
        transcriber.decode([], Hearing("stem", "mix"), tightness, Progress())


def test_notes_over_which_the_stem_is_weak_in_its_mix_are_dropped(
    tmp_path: Path, transcriber: BasicPitchTranscriber
) -> None:
    stem = sound(SUNG, 22050, 5.0, 0.3)
    loud = np.random.default_rng(1).standard_normal(len(stem)) * 1.5 * (np.arange(len(stem)) > 2.45 * 22050)
    mix = audio_file(tmp_path, (stem + loud).astype(np.float32), 22050, "mix.wav")
    heard = list(transcriber.listen(audio_file(tmp_path, stem, 22050), mix, "sung", Progress()))
    kept = transcriber.decode(heard, Hearing("stem", "sung", -18.0), 0.5, Progress()).notes
    assert hits(SUNG[:4], kept) >= 3
    assert not [note for note in kept if note.onset_s > 2.45]
    assert hits(SUNG[4:], transcriber.decode(heard, Hearing("stem", "sung"), 0.5, Progress()).notes) >= 3


def test_progress_rises_and_cancelling_stops_at_the_next_window(
    tmp_path: Path, transcriber: BasicPitchTranscriber
) -> None:
    audio = audio_file(tmp_path, sound(SUNG, 22050, 20.0), 22050)
    seen: list[float] = []
    cancelled = threading.Event()

    def listener(report: Report) -> None:
        seen.append(report.fraction)
        if len(seen) == 3:
            cancelled.set()

    with pytest.raises(Cancelled):
        transcriber.transcribe(audio, "mix", Progress(listener, cancelled))
    assert len(seen) == 3
    assert seen == sorted(seen)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("transcribe")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa's reader, which only the peer uses
def test_posteriors_are_those_of_basic_pitch_itself(tmp_path: Path) -> None:
    from basic_pitch.inference import run_inference

    audio = audio_file(tmp_path, sound(LEAD, 22050, 4.6), 22050)
    peer = run_inference(audio.path, model_path())
    ours = joined(list(evidence(audio, Network(), PROFILES["mix"], 2, Progress())))
    # basic-pitch drops the last 0.7 % of every recording: it takes the frame rate for 86 a second.
    shared = len(peer["note"])
    assert shared <= len(ours) <= shared + 5
    for name in ("note", "onset", "contour"):
        np.testing.assert_allclose(getattr(ours, name)[:shared], peer[name], atol=1e-5)


def chords_and_a_drone() -> Rows:
    rng = np.random.default_rng(3)
    starts = np.sort(rng.uniform(0.2, 20.0, 30))
    rows = [(float(start), float(start + rng.uniform(0.2, 1.0)), int(rng.integers(48, 76))) for start in starts]
    return [*rows, (2.0, 22.0, 41), (10.0, 18.0, 45)]


def a_line_with_a_long_note() -> Rows:
    short = [(0.3 + 0.4 * i, 0.65 + 0.4 * i, 57 + (7 * i) % 12) for i in range(20)]
    return [*short, (8.5, 20.0, 64), *((20.3 + 0.4 * i, 20.7 + 0.4 * i, 57 + (5 * i) % 12) for i in range(6))]


@pytest.mark.parametrize(
    "part, rows, least_frames",  # a drone under other notes is taken for struck again now and then
    [("mix", chords_and_a_drone(), 300), ("vocals", a_line_with_a_long_note(), 900)],
)
def test_stretches_give_each_note_of_the_whole_once_and_whole(
    tmp_path: Path, part: str, rows: Rows, least_frames: int
) -> None:
    samples = sum(sound([row], 22050, 24.0, vibrato_semitones=0.01, level=0.1) for row in rows)
    audio = audio_file(tmp_path, samples, 22050)
    windows = list(evidence(audio, Network(), PROFILES[part], 2, Progress()))
    decode = (Voice if isinstance(PROFILES[part], Profile) else Polyphony)(PROFILES[part])
    whole = {(note.start, note.end, note.pitch) for note in notes_of(iter(windows), decode, 1000)}
    cut = [(note.start, note.end, note.pitch) for note in notes_of(iter(windows), decode, 2)]
    assert len(cut) == len(set(cut))
    assert len(whole) >= 20
    assert len(whole ^ set(cut)) <= 2  # a border may fall on an edge of a note
    longest = max(end - start for start, end, _ in cut)  # over several stretches of 284 frames
    assert longest == max(end - start for start, end, _ in whole) >= least_frames


def test_basic_pitch_itself_is_never_imported(tmp_path: Path) -> None:
    program = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from bridge.transcription.basic_pitch import BasicPitchTranscriber
BasicPitchTranscriber().load()
assert not {{"basic_pitch", "tensorflow", "librosa"}} & set(sys.modules)
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
