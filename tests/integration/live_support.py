"""The device's own script in a model of Live, a process that tests talk to (see max_for_live/test)."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "max_for_live" / "test"
SOURCES = ROOT / "max_for_live" / "src"
NODE = shutil.which("node")

#: Far more than anything here takes, on a busy machine too.
PATIENCE_MS = 40_000


class Live:
    """Live with a Set of three tracks, a selected clip on the middle one, and there the device.

    Parameters
    ----------
    bundle
        The device's script.
    folder
        A folder of its own.
    options
        As `studio` of scenario.js takes them; `link` is what stands in stembridge.json.
    """

    def __init__(self, bundle: Path, folder: Path, **options: Any) -> None:
        assert NODE is not None
        folder.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [NODE, TESTS / "live_process.js", bundle, folder, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def do(self, command: str, *values: Any) -> Any:
        """What a command of live_process.js gives."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([command, *values]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def wait(self, what: str, times: int = 1) -> str:
        """Wait until the status matches a pattern, or with ``idle`` until the device has nothing to do.

        `times` as long as anything usual takes.
        """
        status: str = self.do("wait", what, times * PATIENCE_MS)
        return status

    def convert(self) -> str:
        """Press Convert and wait for the end; gives the status."""
        self.do("convert")
        return self.wait("idle")

    @property
    def report(self) -> dict[str, Any]:
        """What is in the Set, and what the device says and said."""
        found: dict[str, Any] = self.do("report")
        return found
