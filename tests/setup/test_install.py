"""An install without a checkout, as docs/howto/install.md describes it. Needs the network (``make test-install``)."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bootstrap

ROOT = Path(__file__).parent.parent.parent
LOCK = ROOT / "requirements.lock"

#: The children have nothing to do with this checkout.
CLEAN = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LOOK_AROUND = """
import importlib, importlib.resources, importlib.util, pkgutil, sys
import bridge
for module in pkgutil.walk_packages(bridge.__path__, "bridge."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not any(importlib.util.find_spec(name) for name in ("tensorflow", "tflite_runtime", "nvidia", "triton"))
assert importlib.resources.files("bridge").joinpath("data/demo/song.flac").is_file()
assert "site-packages" in bridge.__file__, bridge.__file__
print(bridge.__version__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> bootstrap.Checkout:
    """An empty environment into which the wheel was installed with the lock, and nothing else."""
    home = bootstrap.Checkout(tmp_path_factory.mktemp("elsewhere"))
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", home.root], cwd=ROOT, check=True)
    (home.root / LOCK.name).write_bytes(LOCK.read_bytes())
    bootstrap.make_environment(home)
    pip = bootstrap.Pip(home)
    pin = bootstrap.locked_version(LOCK.read_text("utf-8"), "torch")
    pip.run_first_that_works(
        bootstrap.torch_commands(platform.system(), pin, has_gpu=False, has_find_links=pip.has_find_links())
    )
    wheel = next(home.root.glob("*.whl"))
    pip.run(["install", "--no-deps", "--only-binary", ":all:", "--requirement", LOCK.name, wheel.name])
    return home


def run(home: bootstrap.Checkout, name: str, *arguments: str, fails: bool = False) -> str:
    program = bootstrap.program(home.environment, home.system, name)
    done = subprocess.run([program, *arguments], cwd=home.root, env=CLEAN, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout


def test_the_command_works_from_another_folder(installed: bootstrap.Checkout) -> None:
    from bridge import __version__

    assert __version__ in run(installed, "stembridge", "--version")


def test_every_module_can_be_imported_and_the_song_is_there(installed: bootstrap.Checkout) -> None:
    from bridge import __version__

    assert run(installed, "python", "-c", LOOK_AROUND).strip() == __version__


def test_pip_complains_of_nothing_but_what_was_left_out_on_purpose(installed: bootstrap.Checkout) -> None:
    complaints = run(installed, "python", "-m", "pip", "check", fails=sys.platform != "darwin").splitlines()
    expected = re.compile(r"basic-pitch 0\.4\.0 (requires (tensorflow|coremltools)|has requirement resampy)")
    assert [line for line in complaints if not expected.match(line)] == []


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize(
    "system", ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"]
)
def test_the_lock_resolves_to_ready_made_packages_on_every_system(system: str, python: str, tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    target = ["--target", str(tmp_path), "--python-version", python, "--python-platform", system]
    command = [uv, "pip", "install", "--dry-run", "--only-binary", ":all:", *target, "--requirement", LOCK]
    variables = CLEAN | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest macOS that PyAV's wheels are made for
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch==" in done.stderr
    assert not re.search(r"tensorflow|nvidia|triton", done.stderr)
