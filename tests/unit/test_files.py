"""Result folders: whole or not at all, and nothing of the user's lost."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.errors import Cancelled, OutputUnwritable
from bridge.write.files import ResultFolder, folder_name_for

LATER_NS = 10**9


def manifest(files: dict[str, int]) -> bytes:
    listing = [{"path": path, "bytes": size} for path, size in files.items()]
    return json.dumps({"schema": 1, "stembridge": "0", "files": listing}).encode()


def make_result(target: Path, files: dict[str, bytes]) -> None:
    with ResultFolder(target) as folder:
        for name, data in files.items():
            folder.write_bytes(name, data)
        folder.write_bytes("manifest.json", manifest(folder.listing()))


def begin_and_fail(target: Path, error: BaseException) -> None:
    with ResultFolder(target) as folder:
        folder.write_bytes("midi/bass.mid", b"new")
        raise error


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one_line(caught: pytest.ExceptionInfo[OutputUnwritable]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


def no_process() -> int:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(child.stdout)


def test_a_result_appears_whole_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out" / "song"
    with ResultFolder(target) as folder:
        folder.write_bytes("midi/bass.mid", b"MThd")
        folder.path("stems/bass.wav").write_bytes(b"RIFF")
        assert not target.exists()
        assert folder.listing() == {"midi/bass.mid": 4, "stems/bass.wav": 4}
    assert content(target) == {"midi/bass.mid": b"MThd", "stems/bass.wav": b"RIFF"}
    assert names_in(target.parent) == ["song"]


@pytest.mark.parametrize("error", [Cancelled("cancelled"), KeyboardInterrupt(), ValueError("broken")])
def test_a_conversion_that_ends_early_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        begin_and_fail(tmp_path / "out" / "song", error)
    assert names_in(tmp_path) == []


def test_a_conversion_that_ends_early_leaves_the_earlier_result(tmp_path: Path) -> None:
    make_result(tmp_path / "song", {"midi/bass.mid": b"old"})
    with pytest.raises(Cancelled):
        begin_and_fail(tmp_path / "song", Cancelled("cancelled"))
    assert content(tmp_path / "song") == {"midi/bass.mid": b"old"}
    assert names_in(tmp_path) == ["song"]


def test_an_earlier_result_is_replaced(tmp_path: Path) -> None:
    make_result(tmp_path / "song", {"midi/bass.mid": b"old", "stems/extra.wav": b"x"})
    make_result(tmp_path / "song", {"midi/bass.mid": b"new"})
    assert content(tmp_path / "song") == {"midi/bass.mid": b"new"}


def test_the_users_own_files_move_to_the_new_result(tmp_path: Path) -> None:
    target = tmp_path / "song"
    make_result(target, {"midi/bass.mid": b"old"})
    (target / "my" / "mix").mkdir(parents=True)
    (target / "my" / "mix" / "notes.txt").write_bytes(b"mine")
    (target / "my" / "empty").mkdir()
    (target / "link").symlink_to("midi/bass.mid")
    make_result(target, {"midi/bass.mid": b"new"})
    assert (target / "my" / "empty").is_dir()
    assert (target / "link").is_symlink()
    assert content(target) == {"midi/bass.mid": b"new", "my/mix/notes.txt": b"mine", "link": b"new"}


def test_a_file_that_changed_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    target = tmp_path / "song"
    make_result(target, {"midi/bass.mid": b"old", "midi/vocals.mid": b"old"})
    longer = target / "midi" / "bass.mid"
    longer.write_bytes(b"longer")
    os.utime(longer, ns=(0, 0))
    edited = target / "midi" / "vocals.mid"
    edited.write_bytes(b"OLD")
    finished_ns = (target / "manifest.json").stat().st_mtime_ns
    os.utime(edited, ns=(finished_ns + LATER_NS, finished_ns + LATER_NS))
    make_result(target, {"midi/bass.mid": b"new", "midi/vocals.mid": b"new"})
    assert content(target) == {
        "midi/bass.mid": b"new",
        "midi/vocals.mid": b"new",
        "kept/midi/bass.mid": b"longer",
        "kept/midi/vocals.mid": b"OLD",
    }


def test_kept_files_never_replace_each_other(tmp_path: Path) -> None:
    target = tmp_path / "song"
    make_result(target, {"bass.mid": b"1"})
    for edit in (b"first", b"second!", b"third!!!"):
        (target / "bass.mid").write_bytes(edit)
        make_result(target, {"bass.mid": b"1"})
    assert content(target) == {
        "bass.mid": b"1",
        "kept/bass.mid": b"first",
        "kept-2/bass.mid": b"second!",
        "kept-3/bass.mid": b"third!!!",
    }


def test_a_users_file_where_the_result_has_a_folder_is_kept_and_the_reverse(tmp_path: Path) -> None:
    target = tmp_path / "song"
    make_result(target, {"a": b"1"})
    (target / "loops").write_bytes(b"file")
    (target / "score").mkdir()
    (target / "score" / "mine").write_bytes(b"in folder")
    make_result(target, {"loops/1.wav": b"x", "score": b"y"})
    assert content(target) == {
        "loops/1.wav": b"x",
        "score": b"y",
        "kept/loops": b"file",
        "kept/score/mine": b"in folder",
    }


def test_an_empty_folder_becomes_the_result(tmp_path: Path) -> None:
    (tmp_path / "song").mkdir()
    make_result(tmp_path / "song", {"a": b"1"})
    assert content(tmp_path / "song") == {"a": b"1"}


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "song").symlink_to(tmp_path / "elsewhere")
    make_result(tmp_path / "song", {"a": b"1"})
    assert (tmp_path / "song").is_symlink()
    assert content(tmp_path / "elsewhere") == {"a": b"1"}


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json"])
def test_a_folder_of_other_files_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / name).write_bytes(b"{}")
    with pytest.raises(OutputUnwritable) as caught:
        make_result(tmp_path / "song", {"a": b"1"})
    assert "no result of Stembridge" in one_line(caught)
    assert names_in(tmp_path / "song") == [name]
    assert names_in(tmp_path) == ["song"]


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "song").write_bytes(b"mine")
    with pytest.raises(OutputUnwritable) as caught:
        make_result(tmp_path / "song", {"a": b"1"})
    assert "in the way" in one_line(caught)
    assert (tmp_path / "song").read_bytes() == b"mine"


def test_a_file_where_the_output_folder_should_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(OutputUnwritable) as caught:
        make_result(tmp_path / "out" / "song\nsong", {"a": b"1"})
    assert "use another folder" in one_line(caught)
    assert names_in(tmp_path) == ["out"]


def test_a_name_that_is_too_long_is_one_clear_line_and_leaves_no_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable) as caught:
        make_result(tmp_path / "new" / ("x" * 256) / "song", {"a": b"1"})
    assert "use another folder" in one_line(caught)
    with pytest.raises(OutputUnwritable):
        make_result(tmp_path / "new" / ("x" * 256), {"a": b"1"})
    assert names_in(tmp_path) == []


def test_a_name_of_255_bytes_works(tmp_path: Path) -> None:
    name = "é" * 127 + "x"
    make_result(tmp_path / name, {"a": b"1"})
    make_result(tmp_path / name, {"a": b"2"})
    assert content(tmp_path / name) == {"a": b"2"}


def test_a_name_that_is_not_utf_8_works(tmp_path: Path) -> None:
    target = tmp_path / os.fsdecode(b"so\xffng")
    make_result(target, {"a": b"1"})
    (target / "mine").write_bytes(b"mine")
    make_result(target, {"a": b"2"})
    assert content(target) == {"a": b"2", "mine": b"mine"}


@pytest.mark.parametrize("relative", ["../x", "/x", "a/../../x", "", "a//b", "."])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, relative: str) -> None:
    with ResultFolder(tmp_path / "song") as folder, pytest.raises(ValueError, match="leads out"):
        folder.write_bytes(relative, b"x")


@contextlib.contextmanager
def small_file_limit() -> Iterator[None]:
    """Only around what is tested: it holds for the log of the tests, too."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: folder.write_bytes("stems/bass.wav", bytes(2000)),
        lambda folder: folder.path("stems/bass.wav").write_bytes(bytes(2000)),
    ],
    ids=["through the folder", "beside it"],
)
def test_a_file_that_does_not_fit_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, write: Callable[[ResultFolder], object]
) -> None:
    with small_file_limit(), pytest.raises(OutputUnwritable) as caught, ResultFolder(tmp_path / "song") as folder:
        write(folder)
    assert "use another folder" in one_line(caught)
    assert names_in(tmp_path) == []


def test_an_error_of_another_file_passes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), ResultFolder(tmp_path / "song"):
        (tmp_path / "source.wav").read_bytes()


def test_when_the_result_cannot_be_put_in_place_the_earlier_one_is_back(tmp_path: Path) -> None:
    target = tmp_path / "song"
    # A path that has just room enough for being set aside, but not for being kept beside the new one.
    room = os.pathconf("/", "PC_PATH_MAX") - 1 - len(f"{tmp_path}/.stembridge-{os.getpid()}-01234567/new/kept/")
    deep = "/".join([*["x" * 199] * (room // 200), "x" * (room % 200 + 1)])
    make_result(target, {deep: b"old"})
    (target / deep).write_bytes(b"changed")
    (target / "a file").write_bytes(b"mine")
    with pytest.raises(OutputUnwritable), ResultFolder(target) as folder:
        folder.write_bytes(deep, b"new")
    assert content(target) == {deep: b"changed", "a file": b"mine"}
    assert names_in(tmp_path) == ["song"]


def test_a_result_that_another_conversion_put_there_meanwhile_is_replaced(tmp_path: Path) -> None:
    with ResultFolder(tmp_path / "song") as folder:
        folder.write_bytes("a", b"second")
        folder.write_bytes("manifest.json", manifest(folder.listing()))
        make_result(tmp_path / "song", {"a": b"first"})
    assert content(tmp_path / "song") == {"a": b"second"}
    assert names_in(tmp_path) == ["song"]


def abandoned(folder: Path, pid: int, *, host: str, target: str = "song") -> Path:
    work = folder / f".stembridge-{pid}-0a1b2c3d"
    (work / "new").mkdir(parents=True)
    (work / "owner.json").write_text(json.dumps({"host": host, "pid": pid, "target": target}))
    (work / "new" / "a").write_bytes(b"half")
    return work


def test_what_a_killed_conversion_left_is_removed(tmp_path: Path) -> None:
    abandoned(tmp_path, no_process(), host=socket.gethostname())
    (tmp_path / f".stembridge-{no_process()}-00000000").mkdir()
    make_result(tmp_path / "other", {"a": b"1"})
    assert names_in(tmp_path) == ["other"]


#: Ended by the system at the first byte that it writes to a file, as a kill may hit it there.
KILLED_AT_THE_FIRST_BYTE = """
import pathlib, resource, signal, sys
from bridge.write.files import ResultFolder
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
ResultFolder(pathlib.Path(sys.argv[1])).__enter__()
"""


def test_a_conversion_that_was_killed_while_it_wrote_its_first_file_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_THE_FIRST_BYTE, str(tmp_path / "song")], check=False)
    assert killed.returncode == -signal.SIGXFSZ
    assert len(names_in(tmp_path)) == 1
    make_result(tmp_path / "other", {"a": b"1"})
    assert names_in(tmp_path) == ["other"]


@pytest.mark.parametrize("whose", ["running", "other host", "no number"])
def test_the_work_of_others_is_left_alone(tmp_path: Path, whose: str) -> None:
    if whose == "no number":
        (tmp_path / ".stembridge-my-things").mkdir()
    elif whose == "running":
        abandoned(tmp_path, os.getppid(), host=socket.gethostname())
    else:
        abandoned(tmp_path, no_process(), host="elsewhere")
    before = content(tmp_path)
    make_result(tmp_path / "other", {"a": b"1"})
    assert content(tmp_path) == before | {"other/a": b"1"}
    assert len(names_in(tmp_path)) == 2


def killed_while_replacing(folder: Path) -> Path:
    """The state after the earlier result was set aside."""
    target = folder / "song"
    make_result(target, {"a": b"old"})
    (target / "mine").write_bytes(b"mine")
    work = abandoned(folder, no_process(), host=socket.gethostname())
    (work / "new" / "a").write_bytes(b"new")
    (work / "new" / "manifest.json").write_bytes(manifest({"a": 3}))
    target.rename(work / "old-0")
    return work


def test_a_replacement_that_was_killed_half_way_is_finished(tmp_path: Path) -> None:
    killed_while_replacing(tmp_path)
    make_result(tmp_path / "other", {"a": b"1"})
    assert content(tmp_path / "song") == {"a": b"new", "mine": b"mine"}
    assert names_in(tmp_path) == ["other", "song"]


def test_after_a_kill_the_users_files_go_to_the_result_that_took_the_place(tmp_path: Path) -> None:
    work = killed_while_replacing(tmp_path)
    hidden = work.rename(tmp_path / "hidden")
    make_result(tmp_path / "song", {"a": b"newest"})
    hidden.rename(work)
    make_result(tmp_path / "other", {"a": b"1"})
    assert content(tmp_path / "song") == {"a": b"newest", "mine": b"mine"}
    assert names_in(tmp_path) == ["other", "song"]


def test_after_a_kill_between_the_last_two_steps_only_the_new_result_stays(tmp_path: Path) -> None:
    work = killed_while_replacing(tmp_path)
    (work / "old-0" / "mine").rename(work / "new" / "mine")
    (work / "new").rename(tmp_path / "song")
    make_result(tmp_path / "other", {"a": b"1"})
    assert content(tmp_path / "song") == {"a": b"new", "mine": b"mine"}
    assert names_in(tmp_path) == ["other", "song"]


def raise_unsupported(*_: object) -> None:
    raise OSError(errno.EPERM, "as on a memory stick")


@pytest.mark.parametrize("has_links", [True, False])
def test_files_that_are_taken_over_stay_and_the_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", raise_unsupported)
    target = tmp_path / "song"
    make_result(target, {"stems/a.wav": b"stem", "midi/a.mid": b"old", "loops/a.wav": b"old"})
    (target / "mine").write_bytes(b"mine")
    stem = (target / "stems/a.wav").stat().st_ino
    with ResultFolder(target) as folder:
        folder.write_bytes("midi/a.mid", b"new")
        folder.write_bytes("manifest.json", manifest({"midi/a.mid": 3, "stems/a.wav": 4}))
        folder.take_over(["stems/a.wav", "midi/a.mid"], (target / "manifest.json").read_bytes())
    assert content(target) == {"stems/a.wav": b"stem", "midi/a.mid": b"new", "mine": b"mine"}
    assert (target / "stems/a.wav").stat().st_ino == stem


def take_over_a(target: Path, from_manifest: bytes) -> None:
    with ResultFolder(target) as folder:
        folder.write_bytes("manifest.json", manifest({"a": 1}))
        folder.take_over(["a"], from_manifest)


def test_nothing_is_taken_over_from_another_result(tmp_path: Path) -> None:
    target = tmp_path / "song"
    make_result(target, {"a": b"1", "b": b"2"})
    with pytest.raises(OutputUnwritable) as caught:
        take_over_a(target, from_manifest=b"of another result")
    assert "try again" in one_line(caught)
    assert content(target) == {"a": b"1", "b": b"2"}
    assert names_in(tmp_path) == ["song"]


def killed_while_updating(folder: Path) -> Path:
    """The state after the earlier result was set aside, of which `b` is to be taken over."""
    work = killed_while_replacing(folder)
    (work / "old-0" / "b").write_bytes(b"kept")
    (work / "old-0" / "manifest.json").write_bytes(manifest({"a": 3, "b": 4}))
    (work / "takeover.json").write_text(json.dumps({"paths": ["b"], "manifest_sha256": ""}))
    return work


@pytest.mark.parametrize("moved", [False, True])
def test_an_update_that_was_killed_half_way_is_finished(tmp_path: Path, moved: bool) -> None:
    work = killed_while_updating(tmp_path)
    if moved:
        (work / "old-0" / "b").rename(work / "new" / "b")
    make_result(tmp_path / "other", {"a": b"1"})
    assert content(tmp_path / "song") == {"a": b"new", "b": b"kept", "mine": b"mine"}
    assert names_in(tmp_path) == ["other", "song"]


def test_after_a_kill_nothing_is_taken_over_into_a_result_that_took_the_place(tmp_path: Path) -> None:
    work = killed_while_updating(tmp_path)
    hidden = work.rename(tmp_path / "hidden")
    make_result(tmp_path / "song", {"a": b"newest"})
    hidden.rename(work)
    make_result(tmp_path / "other", {"a": b"1"})
    assert content(tmp_path / "song") == {"a": b"newest", "mine": b"mine"}


@pytest.mark.parametrize(
    "source, name",
    [
        ("/music/My Song.wav", "My Song"),
        ("song.v1.mp3", "song.v1"),
        ("no ending", "no ending"),
        (".wav", "untitled"),
        ("..wav", "untitled"),
        ("...wav", "untitled"),
        ("/", "untitled"),
        (".hidden.flac", ".hidden"),
        ('it\'s "quoted" 🎵.ogg', 'it\'s "quoted" 🎵'),
        ("dots...wav", "dots.."),
        ("con.wav", "con"),
        ("x" * 251 + ".wav", "x" * 251),
        (os.fsdecode(b"so\xffng.wav"), os.fsdecode(b"so\xffng")),
    ],
)
def test_a_result_has_the_recordings_name_without_its_ending(source: str, name: str) -> None:
    assert folder_name_for(Path(source), platform="linux") == name


@pytest.mark.parametrize(
    "source, name",
    [
        ("song .wav", "song"),
        ("dots...wav", "dots"),
        ("con.wav", "_con"),
        ("Lpt1.live.wav", "_Lpt1.live"),
        (" .wav", "untitled"),
    ],
)
def test_on_windows_a_result_has_a_name_that_windows_allows(source: str, name: str) -> None:
    assert folder_name_for(Path(source), platform="win32") == name
