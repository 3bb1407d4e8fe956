"""Other people's programs judge the devices: acorn reads the shipped script as the ES5 that Max's [js] runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.device_files import DEVICES, bundled
from tools.device.container import read
from tools.device.script import SCRIPT_NAME

ACORN = shutil.which("acorn")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(ACORN is None, reason="acorn (Debian's node-acorn) is not installed"),
]


def is_es5(script: bytes, folder: Path) -> bool:
    file = folder / SCRIPT_NAME
    file.write_bytes(script)
    done = subprocess.run([str(ACORN), "--ecma5", "--silent", str(file)], capture_output=True, text=True, timeout=30)
    return done.returncode == 0


@pytest.mark.parametrize("name", DEVICES)
def test_the_script_in_a_device_is_es5(name: str, tmp_path: Path) -> None:
    script = read(bundled(name)).file(SCRIPT_NAME)
    assert is_es5(script, tmp_path)
    assert not is_es5(script + b"let one = 1;\n", tmp_path)  # a single newer word, and Max takes none of it
