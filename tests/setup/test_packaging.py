"""The metadata, the locks and the wheel say what is so."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
UNWANTED = re.compile(r"^(tensorflow|tflite|coremltools|keras|nvidia|cuda|triton|torchaudio)", re.MULTILINE)

#: What packaging's markers are asked about: each Python on each system that the lock serves.
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "linux-arm": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"},
    "mac": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
}


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def pins(lock: str) -> dict[str, Requirement]:
    lines = [
        line for line in (ROOT / lock).read_text("utf-8").splitlines() if line and not line.lstrip().startswith("#")
    ]
    return {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}


def declared() -> list[Requirement]:
    return [Requirement(text) for text in pyproject()["project"]["dependencies"]]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_exact_versions_and_no_addresses(lock: str) -> None:
    assert all(str(pin.specifier).startswith("==") and pin.url is None for pin in pins(lock).values())
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option of pip's, such as an index"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_no_tensorflow_and_no_cuda(lock: str) -> None:
    assert not UNWANTED.findall((ROOT / lock).read_text("utf-8"))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_holds_all_that_the_product_needs_on_every_system(system: str, python: str) -> None:
    environment = SYSTEMS[system] | {"python_version": python, "python_full_version": f"{python}.0"}
    locked = pins("requirements.lock")
    for need in declared():
        if need.marker is not None and not need.marker.evaluate(environment):
            continue
        pin = locked[canonicalize_name(need.name)]
        assert pin.marker is None or pin.marker.evaluate(environment), f"{need.name} is left out"
        assert need.specifier.contains(str(pin.specifier).removeprefix("==")), f"{need} against {pin}"


def test_the_lock_for_development_agrees_with_the_one_of_the_product() -> None:
    product, development = pins("requirements.lock"), pins("requirements-dev.lock")
    both = product.keys() & development.keys()
    assert {name: product[name].specifier for name in both} == {name: development[name].specifier for name in both}
    group = {canonicalize_name(Requirement(text).name) for text in pyproject()["dependency-groups"]["dev"]}
    assert group <= development.keys()


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    imported = set()
    for file in (ROOT / "bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    imported.add("basic_pitch")  # only its model is taken: a file in its folder
    renamed = {"pyyaml": "yaml", "python-osc": "pythonosc", "python-rtmidi": "rtmidi"}
    needed = {renamed.get(need.name, need.name.replace("-", "_")) for need in declared()}
    assert imported - sys.stdlib_module_names - {"bridge"} == needed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(folder.glob("stembridge-*.whl")))


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    made = {".pyc", ".pyo"}
    package = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "bridge").rglob("*")
        if file.is_file() and file.suffix not in made and not file.name.startswith(".")
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == package
    assert {"bridge/data/demo/song.flac", "bridge/data/demo/song.mid"} <= held
    assert {"bridge/data/device/Stembridge.amxd", "bridge/data/device/Stembridge MIDI.amxd"} <= held


def test_the_wheel_has_its_licence_its_version_and_its_command(wheel: zipfile.ZipFile) -> None:
    from bridge import __version__

    info = f"stembridge-{__version__}.dist-info"
    metadata = message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    assert "The Stembridge developers" in wheel.read(f"{info}/licenses/LICENSE").decode()
    assert wheel.read(f"{info}/entry_points.txt").decode().strip() == "[console_scripts]\nstembridge = bridge.cli:main"


def test_everything_ran_with_the_versions_of_the_lock() -> None:
    from importlib.metadata import version

    applying = {name: pin for name, pin in pins("requirements.lock").items() if not pin.marker or pin.marker.evaluate()}
    assert {name: version(name).split("+")[0] for name in applying} == {
        name: str(pin.specifier).removeprefix("==") for name, pin in applying.items()
    }
