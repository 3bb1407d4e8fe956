"""The device's script: its tests in JavaScript, in a model of Live and in virtual time (max_for_live/test)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.live_support import NODE, SOURCES, TESTS
from tools.device.script import bundle

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("device") / "stembridge_device.js"
    path.write_bytes(bundle(SOURCES))
    return path


@pytest.mark.parametrize("file", sorted(TESTS.glob("*.test.js")), ids=lambda path: path.name)
def test_the_script_does_what_its_own_tests_say(file: Path, script: Path) -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, file],
        env={**os.environ, "STEMBRIDGE_BUNDLE": str(script)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=55,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail 0" in done.stdout
