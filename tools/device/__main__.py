"""``python -m tools.device`` builds the device; with ``--preview`` it draws its picture; ``--check`` only looks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.device import make


def main() -> int:
    """Write, or check, what the command line asks for; 1 if a check found something."""
    parser = argparse.ArgumentParser(prog="python -m tools.device", description=__doc__)
    parser.add_argument("--preview", action="store_true", help="draw docs/images/device.svg instead of building")
    parser.add_argument("--check", action="store_true", help="only say what is out of date")
    asked = parser.parse_args()
    stale = False
    for path, data in wanted(preview=asked.preview, check=asked.check):
        target = make.ROOT / path
        if target.exists() and target.read_bytes() == data:
            continue
        stale = True
        print(f"{path} is out of date" if asked.check else f"wrote {path}")
        if not asked.check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return int(stale and asked.check)


def wanted(*, preview: bool, check: bool) -> list[tuple[Path, bytes]]:
    """The files that are to be there. The script's generated part is written first, since the devices hold it."""
    if preview:
        path, text = make.preview()
        return [(path, text.encode())]
    path, text = make.controls_file()
    if not check:
        (make.ROOT / path).write_text(text, encoding="utf-8", newline="\n")
    return [(path, text.encode()), *make.devices().items()]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        sys.exit(f"the device can't be built: {error}")
