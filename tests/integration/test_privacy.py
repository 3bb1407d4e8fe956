"""What runs here stays here: no traces outside Stembridge's own folders, no connections."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.daemon_support import bass_line

ROOT = Path(__file__).parents[2]
#: What would keep libraries from reporting without our help, or lead them elsewhere.
HELPFUL = {"CI", "GITHUB_ACTIONS", "TF_BUILD", "DO_NOT_TRACK", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
#: What loads all that transcribing loads, and what the doctor tries.
PROBE = [sys.executable, "-m", "bridge.doctor_probe", "libraries", "onnxruntime", "basic_pitch"]

#: The runtime's first report goes out seconds after it was loaded, so a short conversion would show nothing.
LINGERS = """
import time
import numpy as np
from bridge.transcription.frames import WINDOW_SAMPLES
from bridge.transcription.network import Network
Network().posteriors(np.zeros(WINDOW_SAMPLES, np.float32))
time.sleep(12.0)
"""


@pytest.fixture
def new_user(tmp_path) -> dict[str, str]:
    """An environment in which all folders of a user are new and empty."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in HELPFUL and not name.startswith(("XDG_", "STEMBRIDGE_"))
    }
    places = dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA"), str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    # A value that asks for the opposite must not count either.
    return {**kept, **places, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "0"}


def left_outside_our_folders(user: Path) -> list[str]:
    """Files in a user's folders that are in none of Stembridge's."""
    files = [path.relative_to(user) for path in user.rglob("*") if path.is_file()]
    return [path.as_posix() for path in files if "stembridge" not in path.parts]


def conversion(tmp_path: Path) -> list[str]:
    line = bass_line(tmp_path / "line.wav", 1.3)
    out = str(tmp_path / "out")
    return [sys.executable, "-m", "bridge", "convert", str(line), "--as", "bass", "--no-stems", "--out", out]


def test_a_conversion_leaves_nothing_outside_its_own_folders(new_user, tmp_path) -> None:
    subprocess.run(conversion(tmp_path), env=new_user, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert any((tmp_path / "user").rglob("stembridge")), "it has kept its cache there"
    assert left_outside_our_folders(tmp_path / "user") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["line.wav", "out", "user"]


def test_looking_at_the_libraries_leaves_nothing_in_the_users_folders(new_user, tmp_path) -> None:
    done = subprocess.run(PROBE, env=new_user, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.count('"version"') == 2, "both were imported"
    assert left_outside_our_folders(tmp_path / "user") == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_nothing_is_looked_up_or_connected_to(new_user, tmp_path) -> None:
    trace = tmp_path / "trace"
    traced = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)]
    patience = [sys.executable, "-c", LINGERS]
    subprocess.run([*traced, *patience], env=new_user, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert re.findall(r"^.*AF_INET.*$", trace.read_text(), re.MULTILINE) == []
