"""Bringing the devices into Live's User Library, wherever that is, and what lies beside them."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import cli
from bridge.device_files import DEVICES, LINK_NAME, bundled, install, places
from bridge.errors import InvalidRequest, OutputUnwritable
from bridge.instance import Instance, daemon_dir, secret
from bridge.live_library import Computer, this_computer, user_libraries

SECRET = "ab" * 32
AUDIO = "Presets/Audio Effects/Max Audio Effect/Stembridge.amxd"
MIDI = "Presets/MIDI Effects/Max MIDI Effect/Stembridge MIDI.amxd"
ONLY_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")

#: What Live 12 writes, as far as it matters here, with other things that have paths around it.
LIST = """<?xml version="1.0" encoding="UTF-8"?>
<Ableton MajorVersion="5" MinorVersion="12.0_12117" Creator="Ableton Live 12.1.5">
\t<ContentLibrary>
\t\t<FactoryPacks>
\t\t\t<LibraryProject Id="3"><ProjectName Value="Core Library" /><ProjectPath Value="/elsewhere" /></LibraryProject>
\t\t</FactoryPacks>
\t\t<UserLibrary>
\t\t\t<LibraryProject Id="0">
\t\t\t\t<ProjectLocation />
\t\t\t\t<ProjectName Value="{name}" />
\t\t\t\t<ProjectPath Value="{path}" />
\t\t\t</LibraryProject>
\t\t</UserLibrary>
\t</ContentLibrary>
</Ableton>
"""


def computer(home: Path, platform: str) -> Computer:
    return Computer(platform, home, home / "OneDrive/Documents", home / "AppData/Roaming")


@pytest.fixture(params=["darwin", "win32"])
def mine(request: pytest.FixtureRequest, tmp_path: Path) -> Computer:
    return computer(tmp_path, request.param)


def remember(mine: Computer, version: str, library: Path) -> None:
    """Have a version of Live say that its User Library is there."""
    folder = mine.home / "Library/Preferences/Ableton" / f"Live {version}"
    if mine.platform == "win32":
        folder = mine.app_data / "Ableton" / f"Live {version}" / "Preferences"
    folder.mkdir(parents=True)
    path = str(library.parent).replace("&", "&amp;")
    (folder / "Library.cfg").write_text(LIST.format(name=library.name, path=path), encoding="utf-8")


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "platform, folder",
    [("darwin", "Music/Ableton/User Library"), ("win32", "OneDrive/Documents/Ableton/User Library")],
)
def test_the_devices_go_where_live_puts_its_user_library(tmp_path: Path, platform: str, folder: str) -> None:
    library = made(tmp_path / folder)
    assert [place.file for place in places(computer(tmp_path, platform))] == [library / AUDIO, library / MIDI]


def test_the_devices_go_where_the_user_moved_the_library(mine: Computer, tmp_path: Path) -> None:
    assert mine.default_library is not None
    made(mine.default_library)
    moved = made(tmp_path / "Grosse Platte ü" / "Samples & Co" / "My Library")
    remember(mine, "12.1.5", moved)
    assert [place.file for place in places(mine)] == [moved / AUDIO, moved / MIDI]


def test_versions_of_live_with_libraries_of_their_own_all_get_the_devices(mine: Computer, tmp_path: Path) -> None:
    old, new = made(tmp_path / "old"), made(tmp_path / "new")
    remember(mine, "9.7", old)
    remember(mine, "11.3.4", new)
    remember(mine, "12.0", new)
    remember(mine, "10.1", tmp_path / "gone")
    assert user_libraries(mine) == [new, old]
    versions = [re.findall(r"Live ([\d.]+)", str(file))[-1] for file in mine.lists()]
    assert versions == ["12.0", "11.3.4", "10.1", "9.7"]


def test_a_list_that_says_nothing_or_is_damaged_leaves_the_usual_place(mine: Computer, tmp_path: Path) -> None:
    assert mine.default_library is not None
    library = made(mine.default_library)
    remember(mine, "12.0", tmp_path / "gone")
    (listed,) = mine.lists()
    for text in ("", "<UserLibrary>", "<UserLibrary></UserLibrary><ProjectPath Value='/x' />", "\0\xff" * 50):
        listed.write_text(text, encoding="latin-1")
        assert user_libraries(mine) == [library]


def test_without_a_user_library_the_line_says_what_to_do(mine: Computer) -> None:
    with pytest.raises(InvalidRequest, match="start Live once, or name a folder with --to"):
        places(mine)


def test_on_a_system_without_live_a_folder_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="--to FOLDER"):
        places(computer(tmp_path, "linux"))
    assert [place.file for place in places(computer(tmp_path, "linux"), tmp_path)] == [tmp_path / n for n in DEVICES]


def test_this_computer_is_known() -> None:
    mine = this_computer()
    assert mine.platform == sys.platform
    assert all(folder.is_absolute() for folder in (mine.home, mine.documents, mine.app_data))


def test_each_device_has_the_secret_and_the_port_beside_it(tmp_path: Path) -> None:
    files = [tmp_path / AUDIO, tmp_path / MIDI]
    install(files, SECRET, 17910)
    for file in files:
        assert file.read_bytes() == bundled(file.name)
        link = file.with_name(LINK_NAME)
        assert json.loads(link.read_bytes()) == {"secret": SECRET, "port": 17910}
        assert link.read_bytes().isascii()
        assert sorted(found.name for found in file.parent.iterdir()) == sorted([file.name, LINK_NAME])


@ONLY_POSIX
def test_nobody_else_may_read_the_secret_even_where_an_older_copy_was_open(tmp_path: Path) -> None:
    link = tmp_path / LINK_NAME
    link.write_text("old")
    link.chmod(0o644)
    install([tmp_path / "Stembridge.amxd"], SECRET, 17900)
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "Stembridge.amxd").stat().st_mode) & 0o400


def test_installing_again_refreshes_what_changed(tmp_path: Path) -> None:
    file = tmp_path / "Stembridge.amxd"
    install([file], SECRET, 17900)
    file.write_bytes(b"an older one")
    assert [(place.is_there, place.is_current) for place in places(this_computer(), tmp_path)] == [
        (True, False),
        (False, False),
    ]
    install([file], "cd" * 32, 17901)
    assert places(this_computer(), tmp_path)[0].is_current
    assert json.loads((tmp_path / LINK_NAME).read_text()) == {"secret": "cd" * 32, "port": 17901}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions hold nobody back here")
def test_a_folder_that_is_closed_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputUnwritable, match="Permission denied; make its folder writable"):
        install([tmp_path / "Stembridge.amxd"], SECRET, 17900)


def test_what_is_no_folder_is_named_and_nothing_half_made_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable, match="choose another folder with --to"):
        install([tmp_path / "file" / "Stembridge.amxd"], SECRET, 17900)
    (tmp_path / "Stembridge.amxd").mkdir()
    with pytest.raises(OutputUnwritable):
        install([tmp_path / "Stembridge.amxd"], SECRET, 17900)
    assert not [found for found in tmp_path.iterdir() if found.name.startswith(".")]


# ------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `stembridge device` in this process: exit code, and what it printed."""
    for kind in ("DATA", "CONFIG"):
        monkeypatch.setenv(f"STEMBRIDGE_{kind}_DIR", str(tmp_path / kind.lower()))

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stembridge", "device", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return int(str(ended.value.code)), shown.out, shown.err

    return run


def test_the_command_installs_with_the_daemons_secret_which_it_makes_where_none_is(command, tmp_path: Path) -> None:
    code, out, err = command("install", "--to", tmp_path / "Live folder")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [f"installed {tmp_path / 'Live folder' / name}" for name in DEVICES]
    link = json.loads((tmp_path / "Live folder" / LINK_NAME).read_text())
    assert link == {"secret": secret(daemon_dir()), "port": 17900}


def test_the_port_is_the_running_daemons_else_the_settings(command, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.toml").write_text("osc_port = 17915\n")
    assert command("install", "--to", tmp_path / "a")[0] == 0
    assert json.loads((tmp_path / "a" / LINK_NAME).read_text())["port"] == 17915
    with Instance(daemon_dir()) as running:
        running.announce(17920)
        assert command("install", "--to", tmp_path / "b")[0] == 0
    assert json.loads((tmp_path / "b" / LINK_NAME).read_text())["port"] == 17920


def test_a_port_that_is_left_to_chance_is_refused(command, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.toml").write_text("osc_port = 0\n")
    code, _, err = command("install", "--to", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert "set one, such as 17900" in err


def test_the_command_tells_where_the_devices_are_and_whether_they_are_old(command, tmp_path: Path) -> None:
    code, out, err = command("path", "--to", tmp_path / "a")
    assert (code, out) == (2, "")
    assert f'run stembridge device install --to "{tmp_path / "a"}"' in err
    command("install", "--to", tmp_path / "a")
    code, out, err = command("path", "--to", tmp_path / "a")
    assert (code, out.splitlines(), err) == (0, [str(tmp_path / "a" / name) for name in DEVICES], "")
    (tmp_path / "a/Stembridge.amxd").write_bytes(b"old")
    old = command("path", "--to", tmp_path / "a")[2]
    assert f'another version: run stembridge device install --to "{tmp_path / "a"}"' in old


def test_a_file_in_the_folders_place_is_wrong_use(command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = command("install", "--to", tmp_path / "file")
    assert (code, err.count("\n")) == (2, 1)
