"""Requests for a clip: what makes sense becomes a job, anything else is refused in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import AudioUnreadable, InvalidRequest
from bridge.jobs.clip_request import check_file, folder_name, native_path, spec_from_request
from bridge.jobs.model import JobSpec, spec_from_json, spec_to_json
from bridge.live.clip import CONTEXT_S, MAX_MARKERS, MAX_REQUEST_BYTES, ClipFacts, parse_clip

ROOT = Path(__file__).parent.parent.parent

#: A warped Session clip at 120 BPM, bars 2 and 3 of a file of 60 s.
REQUEST: dict[str, Any] = {
    "file_path": "/music/loop.wav",
    "sample_rate": 44100,
    "sample_length": 2646000,
    "warping": 1,
    "warp_mode": 4,
    "warp_markers": [{"sample_time": 0.0, "beat_time": 0.0}, {"sample_time": 0.015625, "beat_time": 0.03125}],
    "start_marker": 4.0,
    "end_marker": 12.0,
    "loop_start": 4.0,
    "loop_end": 12.0,
    "looping": 0,
    "is_arrangement": 0,
    "tempo": 120.0,
    "signature": [4, 4],
    "name": "My loop",
    "color": 0xFF00FF,
    "track_name": "Audio",
    "track_index": 0,
    "scene_index": 2,
    "live_version": "12.3",
}


def request(**changes: Any) -> bytes:
    members = {name: value for name, value in (REQUEST | changes).items() if value is not None}
    return json.dumps(members).encode()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "take 1.wav"
    path.write_bytes(b"RIFF")
    return path


def test_a_request_is_read() -> None:
    clip = parse_clip(request())
    assert (clip.warping, clip.looping, clip.scene_index) == (True, False, 2)
    assert clip.warp_markers == ((0.0, 0.0), (0.015625, 0.03125))
    assert clip.heard_s() == (2.0, 6.0)


@pytest.mark.parametrize(
    "markers",
    [
        [[0.0, 0.0], [0.015625, 0.03125]],
        {"warp_markers": [{"sample_time": 0, "beat_time": 0}, {"sample_time": 0.015625, "beat_time": 0.03125}]},
        '{"warp_markers": [{"sample_time": 0.0, "beat_time": 0}, {"sample_time": 0.015625, "beat_time": 0.03125}]}',
        "[[0, 0], [0.015625, 0.03125]]",
    ],
)
def test_warp_markers_are_read_in_every_shape_that_live_gives_them(markers: object) -> None:
    assert parse_clip(request(warp_markers=markers)) == parse_clip(request())


def test_as_many_warp_markers_as_a_clip_may_have_fit_in_a_request() -> None:
    from urllib.parse import quote

    from bridge.osc.protocol import MAX_REQUEST_CHARS

    beats = [20_000 / 3 + number / 7 for number in range(MAX_MARKERS)]
    sent = request(warp_markers=[[beat * 60.0 / 131.0, beat] for beat in beats])
    assert 1_000_000 < len(quote(sent, safe="")) <= MAX_REQUEST_CHARS == MAX_REQUEST_BYTES
    assert len(parse_clip(sent).warp_markers) == MAX_MARKERS
    with pytest.raises(InvalidRequest):
        parse_clip(request(warp_markers=[[beat, beat] for beat in (*beats, 1e6)]))


def test_an_unwarped_clip_is_converted_to_its_end_though_the_tempo_is_another_by_then() -> None:
    edges = {"loop_start": 1.0, "loop_end": 9.0, "start_time": 16.0}
    unwarped = {"warping": 0, "warp_markers": None, "is_arrangement": 1, "tempo": 120.0, **edges}
    slower = parse_clip(request(**unwarped, end_time=24.0))  # 8 beats took 8 s; at the tempo of now they'd take 4 s
    assert slower.heard_s() == (1.0, 9.0)


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert parse_clip(request().replace(b'"scene_index": 2', b'"scene_index": 2.0')).scene_index == 2


def test_facts_that_a_newer_device_adds_are_passed_over() -> None:
    assert parse_clip(request(groove="swing")) == parse_clip(request())


@pytest.mark.parametrize(
    "changes",
    [
        {"file_path": ""},
        {"file_path": None},
        {"file_path": 3},
        {"sample_rate": 0},
        {"sample_length": -1},
        {"warp_mode": 7},
        {"warping": "yes"},
        {"warp_markers": 3},
        {"warp_markers": "[["},
        {"warp_markers": [[0.0]]},
        {"warp_markers": [{"sample_time": 0.0}]},
        {"warp_markers": [["a", 0.0], [1.0, 1.0]]},
        {"warp_markers": [[float(i), float(i)] for i in range(20_001)]},
        {"start_marker": 1e300},
        {"tempo": 0},
        {"tempo": None},
        {"signature": [4, 3]},
        {"signature": [0, 4]},
        {"signature": [4]},
        {"pitch_coarse": 49},
        {"color": -1},
        {"name": "x" * 1001},
        {"track_index": 2.5},
        {"options": {"parts": ["bass"] * 17}},
        {"options": {"unheard_of": 1}},
        {"options": {"quantize": "1/0"}},
        {"options": {"place": "elsewhere"}},
        {"options": 3},
        {"looping": 1, "loop_start": 4.0, "loop_end": 4.0},
        {"looping": 1, "loop_start": 8.0, "loop_end": 4.0},
        {"start_marker": 500.0, "end_marker": 600.0},  # behind the file's end
        {"is_arrangement": 1, "start_time": 8.0, "end_time": 8.0},
        {"warping": 0, "loop_start": 3.0, "loop_end": 3.0},
    ],
)
def test_a_value_that_makes_no_sense_is_refused_in_one_line(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_clip(request(**changes))
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        b"{",
        b"[" * 100_000,
        b'{"warp_markers": ' + b"[" * 100_000,
        request().replace(b"120.0", b"NaN"),
        request().replace(b"120.0", b"Infinity"),
        request().replace(b"120.0", b"1e999"),
        request().replace(b"120.0", b"9" * 5000),
        b" " * (MAX_REQUEST_BYTES + 1),
    ],
    ids=range(12),
)
def test_what_is_no_request_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_clip(data)
    assert str(refusal.value).isprintable()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*REQUEST, "options"]), _json, min_size=1, max_size=3))
def test_any_json_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        clip = parse_clip(json.dumps(REQUEST | changes).encode())
    except InvalidRequest as refusal:
        assert str(refusal).isprintable()  # noqa: PT017  (any input may go either way)
    else:
        start_s, end_s = clip.heard_s()
        assert 0.0 <= start_s < end_s <= clip.file_s


def facts(**changes: Any) -> ClipFacts:
    return parse_clip(request(**changes))


def test_what_is_converted_is_what_is_heard_and_a_little_around_it() -> None:
    assert facts().range_s() == (2.0 - CONTEXT_S, 6.0 + CONTEXT_S)


def test_a_clip_that_plays_the_whole_file_needs_no_range() -> None:
    assert facts(start_marker=1.0, end_marker=119.0).range_s() is None


def test_a_loop_is_heard_from_its_start_even_if_the_clip_begins_later() -> None:
    assert facts(looping=1, start_marker=10.0, loop_start=6.0, loop_end=16.0, end_marker=11.0).heard_s() == (3.0, 8.0)


def test_an_arrangement_clip_is_heard_as_far_as_it_is_visible() -> None:
    assert facts(is_arrangement=1, start_time=32.0, end_time=34.0).heard_s() == (2.0, 3.0)


def test_an_unwarped_clip_is_heard_between_its_edges_in_seconds() -> None:
    assert facts(warping=0, loop_start=3.0, loop_end=5.0, warp_markers=[]).heard_s() == pytest.approx((3.0, 5.0))


def test_what_is_heard_stays_within_the_file() -> None:
    assert facts(start_marker=-4.0, end_marker=500.0).heard_s() == (0.0, 60.0)


@pytest.mark.parametrize(
    "changes, semitones",
    [
        ({"pitch_coarse": -3, "pitch_fine": 49}, -3),
        ({"pitch_coarse": 5, "warping": 0}, 5),
        ({"warp_mode": 3, "pitch_coarse": 5, "tempo": 240.0}, 12),  # Re-Pitch: twice as fast is an octave up
        ({"warp_mode": 3, "tempo": 120.0}, 0),
    ],
)
def test_pitch_is_heard_as_live_plays_the_clip(changes: dict[str, Any], semitones: int) -> None:
    assert facts(**changes).transposition(seconds_per_beat=0.5) == semitones


def test_an_unwarped_clip_plays_faster_when_transposed_up() -> None:
    clip = facts(warping=0, loop_start=2.0, loop_end=6.0, pitch_coarse=12)
    assert clip.layout().length == pytest.approx(4.0)  # 4 s of the file take 2 s, which are 4 beats


def test_a_request_becomes_a_job(recording: Path, tmp_path: Path) -> None:
    options = {"quantize": "1/16", "parts": ["bass", "drums"], "stems": False, "place": "arrangement"}
    spec = spec_from_request(request(file_path=str(recording), options=options), "job-1", tmp_path / "out")
    assert (spec.source, spec.out_dir) == (str(recording), str(tmp_path / "out"))
    assert spec.options.range_s == (1.0, 7.0)
    assert (spec.options.quantize, spec.options.parts, spec.options.stems) == ("1/16", ("bass", "drums"), False)
    assert spec.clip is not None
    assert spec.clip.options.place == "arrangement"
    assert spec_from_json(spec_to_json(spec)) == spec


def test_each_job_has_a_folder_of_its_own_and_the_same_job_the_same(recording: Path, tmp_path: Path) -> None:
    data = request(file_path=str(recording))
    first, again, other = (spec_from_request(data, job, tmp_path) for job in ("a", "a", "b"))
    assert first.name == again.name != other.name
    assert first.name.startswith("My loop ")


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "..", ".hidden", "a\\b:c", "CON", "\n\0", "", "…" * 300])
def test_a_result_stays_inside_the_output_folder_whatever_the_clip_is_called(
    recording: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    spec = spec_from_request(request(file_path=str(recording), name=name), "../../x", out)
    assert Path(os.path.normpath(out / spec.name)).parent == out
    assert not set(spec.name) & set('/\\:*?"<>|\n\0')
    assert not spec.name.startswith(".")


@given(st.text(max_size=300))
def test_a_folder_name_is_one_plain_component(text: str) -> None:
    name = folder_name(text, "1a2b3c4d")
    assert len(name.encode("utf-8")) <= 130
    assert name.isprintable()
    assert not set(name[:-9]) & set('./\\:*?"<>|')
    assert name == name.strip(" .")


@pytest.mark.parametrize("path", ["loop.wav", "../loop.wav", "~/loop.wav", "/music/\0.wav"])
def test_a_path_that_is_not_absolute_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no absolute path"):
        spec_from_request(request(file_path=path), "job", tmp_path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioUnreadable, match="cannot be read"):
        spec_from_request(request(file_path=str(tmp_path / "gone.wav")), "job", tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
def test_a_folder_a_pipe_and_a_device_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe, Path("/dev/zero")):
        with pytest.raises(AudioUnreadable, match="no regular file"):
            spec_from_request(request(file_path=str(path)), "job", tmp_path)


def test_a_lone_surrogate_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises((AudioUnreadable, InvalidRequest)):
        spec_from_request(request(file_path=f"{tmp_path}/\ud800.wav"), "job", tmp_path)


def test_a_link_to_a_file_is_taken(recording: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.wav"
    link.symlink_to(recording)
    assert check_file(facts(file_path=str(link))) == link


def test_a_volume_of_max_becomes_a_path_of_macos() -> None:
    assert native_path("Disk:/Users/a:b.wav", platform="darwin") == "/Volumes/Disk/Users/a:b.wav"
    assert native_path("/Users/a.wav", platform="darwin") == "/Users/a.wav"
    assert native_path("C:/a.wav", platform="win32") == "C:/a.wav"


def test_the_daemon_reads_requests_without_numpy() -> None:
    script = "import sys, bridge.jobs.clip_request; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_a_spec_keeps_every_fact(recording: Path, tmp_path: Path) -> None:
    changes = {"pitch_fine": -12.5, "gain": 0.4, "signature": [7, 8], "start_time": 17.25, "end_time": 33.0}
    spec: JobSpec = spec_from_request(request(file_path=str(recording), **changes), "job", tmp_path)
    assert spec_from_json(spec_to_json(spec)).clip == parse_clip(request(file_path=str(recording), **changes))
