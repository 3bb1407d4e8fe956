"""When files are finished, what they are by their first bytes, and which places count. Time is a number here."""

import os
import shutil
import wave
from pathlib import Path

import pytest

from bridge.inputs.headers import Header, look_at
from bridge.inputs.ledger import Entry, Ledger
from bridge.inputs.notes import leave_note, note_for, remove_note
from bridge.inputs.places import WatchedFolder, candidates, is_of_interest, is_result, lies_in_result
from bridge.inputs.settle import Settling, Signature, is_passed_over, signature_of
from bridge.write import manifest as manifests

MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(100)
M4A = b"\0\0\0\x20ftypM4A " + bytes(100)


def wav(path: Path, seconds: float = 0.1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(round(seconds * 8000) * 2))
    return path


class Files:
    """Signatures of files that a test changes."""

    def __init__(self) -> None:
        self.now: dict[Path, Signature | None] = {}

    def put(self, name: str, size: int) -> Path:
        path = Path(name)
        self.now[path] = Signature(size, size, 1)
        return path

    def look(self, path: Path) -> Signature | None:
        return self.now.get(path)


def taken(settling: Settling, now: float) -> list[str]:
    names = []
    while (settled := settling.settled(now)) is not None:
        names.append(str(settled[0]))
    return names


def test_a_file_is_taken_once_it_has_not_changed_for_a_while() -> None:
    files = Files()
    settling = Settling(1.5, files.look)
    settling.touched(files.put("a", 10), 100.0)
    assert taken(settling, 100.0) == []
    assert settling.next_look() == 101.5
    assert taken(settling, 101.4) == []
    assert taken(settling, 101.5) == ["a"]
    assert settling.next_look() is None


def test_a_file_that_grows_is_waited_for_even_if_nobody_tells() -> None:
    files = Files()
    settling = Settling(1.5, files.look)
    settling.touched(files.put("a", 10), 0.0)
    for second in range(10):
        assert taken(settling, float(second)) == []
        files.put("a", 10 + second)
    files.put("a", 99)
    assert taken(settling, 20.0) == []
    assert taken(settling, 21.5) == ["a"]


def test_a_file_that_is_written_to_is_left_in_peace() -> None:
    files = Files()
    settling = Settling(1.5, files.look)
    path = files.put("a", 10)
    settling.touched(path, 0.0)
    assert taken(settling, 0.0) == []
    for tenth in range(1, 100):
        settling.touched(path, tenth / 10.0)
    assert settling.next_look() == pytest.approx(9.9 + 1.5)


def test_a_file_that_goes_away_is_dropped() -> None:
    files = Files()
    settling = Settling(1.5, files.look)
    path = files.put("a", 10)
    settling.touched(path, 0.0)
    taken(settling, 0.0)
    files.now[path] = None
    assert taken(settling, 5.0) == []
    assert len(settling) == 0


def test_many_files_settle_each_in_its_own_time() -> None:
    files = Files()
    settling = Settling(1.5, files.look)
    for index in range(100):
        settling.touched(files.put(f"{index:02}", 10), index / 100.0)
        assert taken(settling, index / 100.0) == []
    assert taken(settling, 1.5) == ["00"]
    assert taken(settling, 3.0) == [f"{index:02}" for index in range(1, 100)]


def test_a_file_that_cannot_be_looked_at_is_told_by_name() -> None:
    def look(_: Path) -> Signature | None:
        raise PermissionError(13, "Permission denied")

    settling = Settling(1.5, look)
    settling.touched(Path("a"), 0.0)
    with pytest.raises(PermissionError) as caught:
        settling.settled(0.0)
    assert caught.value.filename == "a"
    assert settling.settled(0.0) is None


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.wav",
        "._a.wav",
        ".stembridge-12-ab",
        "~a.wav",
        "~$a.wav",
        "a.wav~",
        "a.wav.part",
        "a.wav.crdownload",
        "a.wav.tmp",
        "A.WAV.DOWNLOAD",
        "Unconfirmed 1.crdownload",
        "a.wav.stembridge-error.txt",
    ],
)
def test_hidden_unfinished_and_own_names_are_passed_over(name: str) -> None:
    assert is_passed_over(name)


@pytest.mark.parametrize("name", ["a.wav", "part.wav", "a.part.wav", "download", "Größe ~ 1.flac"])
def test_other_names_are_not_passed_over(name: str) -> None:
    assert not is_passed_over(name)


def test_only_regular_files_and_links_to_them_have_a_signature(tmp_path: Path) -> None:
    file = wav(tmp_path / "a.wav")
    link, circle, dead = tmp_path / "link.wav", tmp_path / "circle.wav", tmp_path / "dead.wav"
    link.symlink_to(file)
    circle.symlink_to(circle)
    dead.symlink_to(tmp_path / "gone.wav")
    assert signature_of(link) == signature_of(file) != None  # noqa: E711
    assert signature_of(circle) is signature_of(dead) is signature_of(tmp_path) is None
    assert signature_of(file / "below") is None


@pytest.mark.parametrize(
    "name, head",
    [
        ("a.wav", b"RIFF\0\0\0\0WAVEfmt "),
        ("a.wav", b"RF64\xff\xff\xff\xffWAVEds64"),
        ("a.aif", b"FORM\0\0\0\x08AIFFCOMM"),
        ("a", b"fLaC\0\0\0\x22"),
        ("a.opus", b"OggS\0\x02"),
        ("a.mp3", b"ID3\x04\0\0\0\0\0\0"),
        ("a.mp3", MP3_FRAME),
        ("a.aac", b"\xff\xf1\x50\x80" + bytes(20)),
        ("a.m4a", M4A),
        ("a.caf", b"caff\0\x01\0\0"),
        ("a.wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"),
    ],
)
def test_audio_is_known_by_its_first_bytes(tmp_path: Path, name: str, head: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(head + bytes(100))
    assert look_at(path) is Header.AUDIO


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.wav", b""),
        ("a.wav", b"RIFF"),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST"),
        ("a.wav", bytes(100)),
        ("a.mp3", b"<html><body>404"),
        ("a.mp3", b"\xff\xff\xff\xff" + bytes(20)),
        ("a.mov", M4A),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(20)),
        ("a.bin", MP3_FRAME),
        ("a.txt", b"hello"),
    ],
)
def test_other_files_are_no_audio(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert look_at(path) is Header.OTHER


@pytest.mark.parametrize("head", [b"RIFF\0\x10\0\0WAVEfmt ", b"FORM\0\0\x10\0AIFFCOMM"])
def test_a_file_shorter_than_it_states_is_partial(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(head + bytes(100))
    assert look_at(path) is Header.PARTIAL
    path.write_bytes(head + bytes(0x1000))
    assert look_at(path) is Header.AUDIO


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes among files")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert look_at(tmp_path / "a.wav") is Header.OTHER


def folder(tmp_path: Path, *, recursive: bool = True, out: str = "out") -> WatchedFolder:
    return WatchedFolder(tmp_path / "in", tmp_path / out, recursive=recursive)


@pytest.mark.parametrize(
    "place, is_in_flat, is_in_deep",
    [
        ("in/a.wav", True, True),
        ("in/sub/a.wav", False, True),
        ("in/.trash/a.wav", False, False),
        ("in/sub/.a.wav", False, False),
        ("in/a.download/a.wav", False, False),
        ("a.wav", False, False),
        ("in", False, False),
        ("inner/a.wav", False, False),
    ],
)
def test_places_count_by_where_they_are(tmp_path: Path, place: str, is_in_flat: bool, is_in_deep: bool) -> None:
    assert is_of_interest(folder(tmp_path, recursive=False), tmp_path / place) == is_in_flat
    assert is_of_interest(folder(tmp_path), tmp_path / place) == is_in_deep


@pytest.mark.parametrize(
    "out, place, counts",
    [
        ("in/out", "in/out/song/stems/bass.wav", False),
        ("in/out", "in/outer/a.wav", True),
        ("in", "in/sub/a.wav", True),
        (".", "in/a.wav", True),
    ],
)
def test_an_output_folder_in_the_watched_one_is_no_input(tmp_path: Path, out: str, place: str, counts: bool) -> None:
    assert is_of_interest(folder(tmp_path, out=out), tmp_path / place) == counts


def make_result(path: Path) -> Path:
    (path / "stems").mkdir(parents=True)
    manifest = manifests.Manifest(
        stembridge="1",
        source=manifests.Source(path="/a.wav", sha256="0" * 64, duration_s=1.0, sample_rate=44100, channels=1),
        range_s=None,
        tempo_bpm=120.0,
        tempo=manifests.Tempo(bpm=120.0, confidence=0.0, alternatives_bpm=(), source="detected"),
        beats_s=(),
        downbeats_s=(),
        time_signature=(4, 4),
        key=None,
        separator=manifests.EngineId("none", ""),
        parts=(),
        files=(),
        timings_s={},
        warnings=(),
    )
    (path / "manifest.json").write_bytes(manifests.encode(manifest))
    wav(path / "stems/bass.wav")
    return path


def test_result_folders_are_no_input_wherever_they_lie(tmp_path: Path) -> None:
    watched = folder(tmp_path, out="in")
    (tmp_path / "in/other").mkdir(parents=True)
    (tmp_path / "in/other/manifest.json").write_text('{"name": "a web page"}')
    keep = [wav(tmp_path / "in/a.wav"), wav(tmp_path / "in/other/b.wav")]
    result = make_result(tmp_path / "in/sub/song")
    assert is_result(result)
    assert lies_in_result(watched, result / "stems/bass.wav")
    assert not lies_in_result(watched, keep[1])
    found = list(candidates(watched, watched.folder, pytest.fail))
    assert [path for path in found if path.suffix == ".wav"] == keep


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    watched = folder(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/again").symlink_to(tmp_path / "in", target_is_directory=True)
    wav(tmp_path / "in/a.wav")
    assert list(candidates(watched, watched.folder, pytest.fail)) == [tmp_path / "in/a.wav"]


def test_results_of_sub_folders_go_to_sub_folders(tmp_path: Path) -> None:
    watched = folder(tmp_path)
    (tmp_path / "in/sub").mkdir(parents=True)
    spec = watched.spec_for(wav(tmp_path / "in/sub/a.wav"))
    assert (spec.source, spec.out_dir, spec.name) == (str(tmp_path / "in/sub/a.wav"), str(tmp_path / "out/sub"), "")


def test_recordings_that_differ_only_in_their_endings_get_folders_of_their_own(tmp_path: Path) -> None:
    watched = folder(tmp_path)
    (tmp_path / "in").mkdir()
    wav(tmp_path / "in/a.wav")
    (tmp_path / "in/a.txt").write_text("words")
    assert watched.spec_for(tmp_path / "in/a.wav").name == ""
    wav(tmp_path / "in/a.aif")
    assert watched.spec_for(tmp_path / "in/a.wav").name == "a.wav"


def test_a_note_says_why_and_goes_away(tmp_path: Path) -> None:
    recording = tmp_path / ("Größe " + "x" * 240 + ".wav")
    leave_note(recording, "It is damaged.")
    note = note_for(recording)
    assert "It is damaged." in note.read_text("utf-8")
    assert is_passed_over(note.name)
    remove_note(recording)
    assert list(tmp_path.iterdir()) == []
    remove_note(recording)


def test_a_file_of_the_users_that_is_called_like_a_note_stays(tmp_path: Path) -> None:
    note = note_for(tmp_path / "a.wav")
    note.write_text("mine")
    remove_note(tmp_path / "a.wav")
    assert note.read_text() == "mine"


def test_a_note_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    leave_note(tmp_path / "gone/a.wav", "It is damaged.")


SIGNATURE = Signature(10, 20, 2**64 - 1)


def test_the_ledger_remembers_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deep/watched.sqlite3"
    recording = Path(os.fsdecode(b"/in/\xff\xfe.wav"))
    ledger = Ledger(path)
    ledger.submitted("out", "ab", "job-1", recording)
    ledger.looked_at("out", recording, SIGNATURE, "ab")
    ledger.close()
    ledger = Ledger(path)
    assert ledger.open_jobs() == ["job-1"]
    assert ledger.entry("out", "ab") == Entry("submitted", "job-1", recording)
    assert ledger.sha256_of("out", recording, SIGNATURE) == "ab"
    assert ledger.sha256_of("out", recording, SIGNATURE._replace(size=11)) is None
    assert ledger.entry("elsewhere", "ab") is None
    assert ledger.ended("job-1", "done") == [recording]
    assert ledger.open_jobs() == []
    assert ledger.ended("somebody else's", "done") == []
    ledger.forget_job("job-1")
    assert ledger.entry("out", "ab") is ledger.sha256_of("out", recording, SIGNATURE) is None
    ledger.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_corrupt_ledger_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "watched.sqlite3"
    path.write_bytes(content)
    ledger = Ledger(path)
    assert ledger.open_jobs() == []
    ledger.close()
    [aside] = tmp_path.glob("*.corrupt-*")
    assert aside.read_bytes() == content


def test_a_corrupt_ledger_is_set_aside_with_its_log_and_never_over_an_earlier_one(tmp_path: Path) -> None:
    for number in range(2):
        path = tmp_path / "watched.sqlite3"
        ledger = Ledger(path)
        ledger._database.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
        ledger.submitted("out", "ab", f"the last change {number}", tmp_path)
        crashed = shutil.copytree(tmp_path, tmp_path.with_name(f"crashed{number}"), dirs_exist_ok=True) / path.name
        ledger.close()
        for old in tmp_path.with_name("crashed0").glob("*.corrupt-*"):
            shutil.copy(old, crashed.parent)
        crashed.write_bytes(b"\xff" * 8192)
        Ledger(crashed).close()
    aside = [file.read_bytes() for file in crashed.parent.glob("*.corrupt-*")]
    for number in range(2):
        assert any(f"the last change {number}".encode() in content for content in aside)


def test_a_ledger_that_becomes_corrupt_while_in_use_is_set_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "watched.sqlite3"
    ledger = Ledger(path)
    for number in range(500):
        ledger.submitted("out", f"{number}", "job-1", tmp_path)
    ledger._database.read(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(200_000))
    ledger._database.read(lambda connection: connection.execute("PRAGMA shrink_memory"))
    ledger.submitted("out", "new", "job-2", tmp_path)
    assert ledger.open_jobs() == ["job-2"]
    assert "set aside" in ledger.problems[0]
    ledger.close()
