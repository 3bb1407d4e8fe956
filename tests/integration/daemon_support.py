"""Daemons in processes of their own, in folders of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.integration.osc_support import Device

ROOT = Path(__file__).parents[2]
#: Far more than anything here takes, on a busy machine too.
PATIENCE_S = 40.0

_Value = TypeVar("_Value")


def until(look: Callable[[], _Value | None], what: str, timeout_s: float = PATIENCE_S) -> _Value:
    """What `look` gives, as soon as it gives something."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


class DaemonProcess:
    """A running ``stembridge serve``, or another command that stays."""

    def __init__(self, home: Mapping[str, str], *arguments: str | Path, command: str = "serve") -> None:
        self.folder = Path(home["STEMBRIDGE_DATA_DIR"]) / "daemon"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bridge", command, *map(os.fspath, arguments)],
            env={**home, "PYTHONPATH": str(ROOT)},
            cwd=ROOT.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port: int = until(self._announced, "the discovery file")["osc_port"]

    def _announced(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, self.process.communicate()[1]
        try:
            found: dict[str, Any] = json.loads((self.folder / "daemon.json").read_text())
        except (OSError, ValueError):
            return None
        return found if found["pid"] == self.process.pid else None

    @property
    def secret(self) -> str:
        return (self.folder / "secret").read_text().strip()

    @property
    def log(self) -> str:
        return (self.folder / "logs" / "stembridge.log").read_text()

    def device(self, inst: str = "inst-a") -> Device:
        """A device that has said hello."""
        device = SecretDevice(self.port, self.secret, inst)
        device.open()
        return device

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; the exit code and how long that took, in seconds."""
        start_s = time.monotonic()
        self.process.send_signal(number)
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, time.monotonic() - start_s

    def kill(self) -> None:
        """End it as a power cut would, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class SecretDevice(Device):
    """A device that knows a secret."""

    def __init__(self, port: int, secret: str, inst: str) -> None:
        super().__init__(port, inst)
        self._secret = secret

    def hello(self, **changes: Any) -> None:
        super().hello(secret=self._secret, **changes)


def clip_request(source: Path, seconds: float, rate: int) -> dict[str, Any]:
    """What Live knows of an unwarped Session clip that is the whole of a file, and the quickest conversion there is."""
    return {
        "file_path": str(source),
        "sample_rate": rate,
        "sample_length": round(seconds * rate),
        "warping": 0,
        "loop_start": 0.0,
        "loop_end": seconds,
        "is_arrangement": 0,
        "tempo": 120.0,
        "name": source.stem,
        "options": {"recording": "bass", "stems": False},
    }


def bass_line(path: Path, seconds: float, rate: int = 22050) -> Path:
    """Write a file with a note every half second."""
    import numpy as np
    import soundfile

    time_s = np.arange(round(seconds * rate)) / rate
    hz = np.where((time_s // 1.0) % 2 == 0, 55.0, 73.416)
    tone = 0.4 * np.sin(2 * np.pi * np.cumsum(hz) / rate) * np.exp(-(time_s % 0.5) * 3)
    soundfile.write(path, tone.astype(np.float32), rate, subtype="PCM_16")
    return path
