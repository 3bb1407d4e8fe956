"""The devices that the package carries: built from these very sources, and whole."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bridge import __version__
from tools.device import make
from tools.device.container import AUDIO_EFFECT, MAC_EPOCH_S, MIDI_EFFECT, read
from tools.device.controls import CONTROLS
from tools.device.preview import SCENE
from tools.device.script import SCRIPT_NAME, bundle, order

CHECKER = make.ROOT.parent / "shared/check/amxd_check.py"
FORGOTTEN = "run make device and make device-preview, and commit what they write"


@pytest.fixture(scope="module")
def built() -> dict[Path, bytes]:
    return make.devices()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "b.js").write_text("var b = 1;\n")
    (tmp_path / "a.js").write_text("var a = b;\n")
    (tmp_path / "bundle.json").write_text('["b.js", "a.js"]')
    return tmp_path


def test_the_package_carries_the_devices_that_the_sources_give(built: dict[Path, bytes]) -> None:
    assert [path.name for path in built] == ["Stembridge.amxd", "Stembridge MIDI.amxd"]
    for path, data in built.items():
        assert (make.ROOT / path).read_bytes() == data, FORGOTTEN


def test_building_twice_gives_the_same_bytes(built: dict[Path, bytes]) -> None:
    assert make.devices() == built


def test_the_generated_part_of_the_script_and_the_picture_are_fresh() -> None:
    for path, text in (make.controls_file(), make.preview()):
        assert (make.ROOT / path).read_bytes() == text.encode(), FORGOTTEN


@pytest.mark.skipif(not CHECKER.is_file(), reason="the checker of devices isn't beside this checkout")
def test_an_independent_checker_finds_nothing_to_say_of_the_devices() -> None:
    command = [sys.executable, str(CHECKER), "--strict", *(str(make.ROOT / make.BUILT / name) for name in make.DEVICES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout


def test_a_device_is_frozen_with_its_script_which_knows_its_version(built: dict[Path, bytes]) -> None:
    for path, kind in zip(built, (AUDIO_EFFECT, MIDI_EFFECT), strict=True):
        device = read(built[path])
        assert (device.kind, device.is_frozen) == (kind, True)
        assert [file.name for file in device.files] == [path.name, SCRIPT_NAME]
        assert all(file.modified > MAC_EPOCH_S for file in device.files)
        script = device.file(SCRIPT_NAME).decode("ascii")
        stated = re.search(r"^var StembridgeBuild = (.*);$", script, re.MULTILINE)
        assert stated is not None
        assert json.loads(stated[1])["version"] == __version__
        (box,) = [item["box"] for item in device.patcher()["boxes"] if SCRIPT_NAME in item["box"].get("text", "")]
        assert f"inlets = {box['numinlets']};\noutlets = {box['numoutlets']};" in script


def test_files_of_the_script_are_joined_in_their_order(sources: Path) -> None:
    script = bundle(sources).decode()
    assert script.index("var b") < script.index("var a")
    assert script.startswith("//")


def test_the_stamp_changes_with_the_script_and_with_the_patcher(sources: Path) -> None:
    def stamp(script: bytes) -> bytes:
        return re.findall(rb'"stamp": "([0-9a-f]{8})"', script)[0]

    first, other_patcher = stamp(bundle(sources)), stamp(bundle(sources, b"patcher"))
    (sources / "a.js").write_text("var a = b + 1;\n")
    assert len({first, other_patcher, stamp(bundle(sources))}) == 3


@pytest.mark.parametrize(
    "names, said", [(["b.js"], "a.js"), (["a.js", "b.js", "c.js"], "c.js"), (["a.js"] * 2 + ["b.js"], "a.js")]
)
def test_a_list_of_files_that_does_not_fit_is_refused(sources: Path, names: list[str], said: str) -> None:
    (sources / "bundle.json").write_text(json.dumps(names))
    with pytest.raises(ValueError, match=rf"once: {said}$"):
        order(sources)


def test_a_letter_whose_encoding_max_might_mistake_is_refused(sources: Path) -> None:
    (sources / "a.js").write_text('\nvar a = "é";\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.js, line 2"):
        bundle(sources)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_what_the_script_says_by_itself_fits_into_its_lines() -> None:
    names = order(make.ROOT / make.SOURCES)
    first = "".join((make.ROOT / make.SOURCES / name).read_text() for name in names[: names.index("texts.js") + 1])
    columns = min(control.columns for control in CONTROLS if control.name in ("status1", "status2"))
    show = f"{first}\nprocess.stdout.write(JSON.stringify(StembridgeTexts.TABLE));"
    done = subprocess.run(["node", "-e", show], check=True, capture_output=True, text=True, timeout=30)
    lines = [line for pair in json.loads(done.stdout).values() for line in pair]
    assert len(lines) > 20
    assert [line for line in lines if len(line) > columns] == []


def test_the_picture_shows_every_control() -> None:
    root = ElementTree.fromstring(make.preview()[1])
    shown = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    written = {"light", "progress", "stems", "convert"}
    assert {text for name, text in SCENE.items() if name not in written} <= shown
    fixed = {control.text for control in CONTROLS if control.kind in ("label", "button", "toggle")}
    assert fixed | {control.choices[control.initial][0] for control in CONTROLS if control.choices} <= shown


def test_the_developers_command_says_what_is_out_of_date() -> None:
    command = [sys.executable, "-m", "tools.device", "--check"]
    done = subprocess.run(command, cwd=make.ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
